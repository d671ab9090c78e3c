import { fetch } from '@libp2p/fetch'
import { describe, expect, test } from 'vitest'
import { KINDS, start, startHost } from './nodes.ts'

describe.each(KINDS)('fetch with a %s', (kind) => {
  test('gets a value that the other looks up, and undefined where there is none, both ways', async () => {
    const services = () => ({ fetch: fetch() })
    const [ours, theirs] = [await startHost({ services: services() }), await start(kind, { services: services() })]
    await ours.dial(theirs.getMultiaddrs())
    for (const [from, to] of [
      [ours, theirs],
      [theirs, ours],
    ] as const) {
      to.services.fetch.registerLookupFunction('/colour/', async (key) =>
        new TextDecoder().decode(key) === '/colour/sky' ? new TextEncoder().encode('blue') : undefined,
      )
      expect(new TextDecoder().decode(await from.services.fetch.fetch(to.peerId, '/colour/sky'))).toBe('blue')
      expect(await from.services.fetch.fetch(to.peerId, '/colour/sea')).toBe(undefined)
    }
  })
})
