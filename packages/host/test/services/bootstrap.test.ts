import { dialer } from '@kumiko/dialer'
import { bootstrap } from '@libp2p/bootstrap'
import { describe, expect, test } from 'vitest'
import { heard, KINDS, start, startHost } from './nodes.ts'

describe.each(KINDS)('bootstrap with a %s', (kind) => {
  test('its peer is discovered, tagged and known with its addresses', async () => {
    const theirs = await start(kind)
    const ours = await startHost({ peerDiscovery: [bootstrap({ list: theirs.getMultiaddrs().map(String), timeout: 10 })] })
    const { id, multiaddrs } = await heard(ours, 'peer:discovery')
    expect([id.toString(), multiaddrs.length]).toEqual([theirs.peerId.toString(), 1])
    expect([...(await ours.peerStore.get(id)).tags.keys()]).toEqual(['bootstrap'])
    expect(ours.getConnections()).toEqual([])
  })

  test('its peer is connected where the dialer keeps a number of peers', async () => {
    const theirs = await start(kind)
    const ours = await startHost({
      dialer: dialer({ autoDial: { wanted: 1 } }),
      peerDiscovery: [bootstrap({ list: theirs.getMultiaddrs().map(String), timeout: 10 })],
    })
    await expect.poll(() => ours.getPeers().map(String)).toEqual([theirs.peerId.toString()])
  })
})
