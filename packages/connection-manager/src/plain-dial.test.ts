import type { Lookup } from '@kumiko/identity'
import { virtualClock } from '@kumiko/testkit'
import type { Connection } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import { type PlainDialNeeds, plainDial } from './plain-dial.ts'

/** Dials addresses of which those in 10.66.0.0/16 are denied; gives what was tried, each in vain. */
async function tried(addresses: readonly string[], lookup: Lookup, waitMs = 0): Promise<string[]> {
  const calls: string[] = []
  const clock = virtualClock()
  const needs = {
    clock,
    lookup,
    isDialable: async (address: unknown) => !String(address).startsWith('/ip4/10.66.'),
    expect: () => ({}),
    unexpect: () => {},
    transportManager: {
      dial: async (address: unknown): Promise<Connection> => {
        calls.push(String(address))
        throw new Error('refused')
      },
    },
  }
  // Nothing else is used where addresses are given.
  const dial = plainDial(
    needs as unknown as PlainDialNeeds,
    addresses.map((text) => multiaddr(text)),
    {},
  )
  const failed = expect(dial).rejects.toMatchObject({ code: 'connection-manager/dial-failed' })
  await clock.advance(waitMs)
  await failed
  return calls
}

const both: Lookup = async () => ['10.66.0.1', '10.0.0.1']

test('a name is dialed by those of its IPs that no rule forbids', async () => {
  expect(await tried(['/dns4/both.test/tcp/1'], both)).toEqual(['/ip4/10.0.0.1/tcp/1'])
  expect(await tried(['/dns4/bad.test/tcp/1'], async () => ['10.66.0.1'])).toEqual([])
})

test('a name that TLS needs is not dialed if one of its IPs is forbidden', async () => {
  expect(await tried(['/dns4/both.test/tcp/1/tls/ws'], both)).toEqual([])
  expect(await tried(['/dns4/good.test/tcp/1/tls/ws'], async () => ['10.0.0.1', '10.0.0.2'])).toEqual(['/dns4/good.test/tcp/1/tls/ws'])
})

test('a name that is not found, or not in time, leaves the next address its turn', async () => {
  const next = '/ip4/10.0.0.2/tcp/1'
  expect(await tried(['/dns4/none.test/tcp/1', next], () => Promise.reject(new Error('ENOTFOUND')))).toEqual([next])
  expect(await tried(['/dns4/slow.test/tcp/1', next], () => new Promise(() => {}), 6000)).toEqual([next])
})
