import { createIdentity } from '@kumiko/identity'
import { seeded, virtualClock } from '@kumiko/testkit'
import { type PeerId, TypedEventEmitter } from '@libp2p/interface'
import { defaultLogger } from '@libp2p/logger'
import { persistentPeerStore } from '@libp2p/peer-store'
import { multiaddr } from '@multiformats/multiaddr'
import { MemoryDatastore } from 'datastore-core'
import { expect, test, vi } from 'vitest'
import { PeerExpiry } from './peer-expiry.ts'

const HOUR_MS = 3_600_000

test('of peers that are too many some go, but none that is connected or tagged', async () => {
  const peerIds = await Promise.all(Array.from({ length: 20 }, randomPeerId))
  const [connected, tagged] = [peerIds[3], peerIds[7]]
  const { clock, expiry, peerStore } = await setup(5, connected)
  for (const id of peerIds) await peerStore.merge(id, { multiaddrs: [multiaddr('/ip4/10.0.0.1/tcp/1')] })
  if (tagged !== undefined) await peerStore.merge(tagged, { tags: { dear: { value: 1 } } })
  expiry.start()
  await clock.advance(HOUR_MS - 1)
  expect((await peerStore.all()).length).toBe(20)
  await clock.advance(1)
  await expect.poll(async () => (await peerStore.all()).length).toBe(5)
  const left = (await peerStore.all()).map(({ id }) => id.toString())
  expect(left).toEqual(expect.arrayContaining([connected?.toString(), tagged?.toString()]))
  await expiry.stop()
  expect(clock.pending).toBe(0)
})

test('it goes on hour by hour until it is stopped, and a store that fails does not end it', async () => {
  const { clock, expiry, peerStore } = await setup(5)
  const all = vi.spyOn(peerStore, 'all').mockRejectedValueOnce(new Error('disk'))
  expiry.start()
  await clock.advance(3 * HOUR_MS)
  expect(all).toHaveBeenCalledTimes(3)
  await expiry.stop()
  await clock.advance(3 * HOUR_MS)
  expect(all).toHaveBeenCalledTimes(3)
})

async function setup(peersMax: number, connected?: PeerId) {
  const logger = defaultLogger()
  const clock = virtualClock()
  const peerStore = persistentPeerStore({
    peerId: await randomPeerId(),
    datastore: new MemoryDatastore(),
    events: new TypedEventEmitter(),
    logger,
  })
  // All that is looked at of a connection is that there is one.
  const getConnections = (id?: PeerId) => (id !== undefined && connected?.equals(id) === true ? [{} as never] : [])
  const connectionManager = { getConnections }
  return { clock, peerStore, expiry: new PeerExpiry({ peerStore, clock, random: seeded().random, logger, connectionManager }, peersMax) }
}

async function randomPeerId(): Promise<PeerId> {
  return (await createIdentity()).peerId
}
