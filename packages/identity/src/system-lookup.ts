import { lookup } from 'node:dns/promises'
import type { Lookup } from './dns-address.ts'

/** Asks the operating system, its hosts file included. It cannot be told to stop: whoever waits bounds the wait. */
export const systemLookup: Lookup = async (name, family) => {
  const found = await lookup(name, { all: true, family })
  return found.map(({ address }) => address)
}
