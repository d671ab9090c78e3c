import { echo } from '@libp2p/echo'
import { webSockets } from '@libp2p/websockets'
import { describe, expect, test } from 'vitest'
import { KINDS, start, startHost } from './nodes.ts'

const options = () => ({
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0/ws'] },
  transports: [webSockets()],
  services: { echo: echo() },
})

describe.each(KINDS)('WebSockets with a %s', (kind) => {
  test('carry streams, whoever dials', async () => {
    const [ours, theirs] = [await startHost(options()), await start(kind, options())]
    const data = Uint8Array.from({ length: 100_000 }, (_, index) => index)
    await ours.dial(theirs.getMultiaddrs())
    expect(new Uint8Array((await ours.services.echo.echo(theirs.peerId, data)).subarray())).toEqual(data)
    await ours.hangUp(theirs.peerId)
    await expect.poll(() => theirs.getConnections().length).toBe(0)
    await theirs.dial(ours.getMultiaddrs())
    expect(new Uint8Array((await theirs.services.echo.echo(ours.peerId, data)).subarray())).toEqual(data)
    expect(ours.getConnections().map(({ remoteAddr }) => remoteAddr.toString().includes('/ws'))).toContain(true)
  })
})
