import { echo } from '@libp2p/echo'
import { identify } from '@libp2p/identify'
import { describe, expect, test } from 'vitest'
import { connect, KINDS, start, startHost } from './nodes.ts'

/** Native: it has no build for some machines. */
const loaded = await import('@chainsafe/libp2p-quic').catch((error: unknown) => {
  console.warn('SKIPPED: @chainsafe/libp2p-quic does not load here:', error)
  return undefined
})

describe.skipIf(loaded === undefined).each(KINDS)('QUIC with a %s', (kind) => {
  const options = () => {
    if (loaded === undefined) return expect.fail()
    return {
      addresses: { listen: ['/ip4/127.0.0.1/udp/0/quic-v1'] },
      transports: [loaded.quic()],
      services: { identify: identify(), echo: echo() },
    }
  }

  test('carries streams, whoever dials, under the peer’s own key', async () => {
    const [ours, theirs] = [await startHost(options()), await start(kind, options())]
    const data = Uint8Array.from({ length: 100_000 }, (_, index) => index)
    await connect(ours, theirs)
    expect(ours.getConnections().map(({ remoteAddr }) => remoteAddr.toString())).toEqual(theirs.getMultiaddrs().map(String))
    expect(new Uint8Array((await ours.services.echo.echo(theirs.peerId, data)).subarray())).toEqual(data)
    expect(new Uint8Array((await theirs.services.echo.echo(ours.peerId, data)).subarray())).toEqual(data)
    const other = await startHost(options())
    await connect(theirs, other)
    expect(new Uint8Array((await theirs.services.echo.echo(other.peerId, data)).subarray())).toEqual(data)
  })
  test('keeps who answers no ping: what else it sends is seen by QUIC alone', async () => {
    const [ours, theirs] = [await startHost({ ...options(), connectionMonitor: { pingInterval: 50 } }), await start(kind, options())]
    let pings = 0
    await theirs.handle('/ipfs/ping/1.0.0', () => {
      pings++
      return new Promise<void>(() => {})
    })
    await connect(ours, theirs)
    await expect.poll(() => pings).toBeGreaterThan(5)
    expect(ours.getConnections().map(({ status }) => status)).toEqual(['open'])
  })
})
