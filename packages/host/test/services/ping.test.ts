import { ping } from '@libp2p/ping'
import { describe, expect, test } from 'vitest'
import { KINDS, start, startHost } from './nodes.ts'

describe.each(KINDS)('ping with a %s', (kind) => {
  test('answers and is answered, over one connection', async () => {
    const services = () => ({ ping: ping() })
    const [ours, theirs] = [await startHost({ services: services() }), await start(kind, { services: services() })]
    expect(await ours.services.ping.ping(theirs.getMultiaddrs())).toBeGreaterThanOrEqual(0)
    expect(await theirs.services.ping.ping(ours.peerId)).toBeGreaterThanOrEqual(0)
    expect(ours.getConnections()).toHaveLength(1)
  })
})
