import { createIdentity } from '@kumiko/identity'
import { systemClock } from '@kumiko/interface'
import { type Libp2pEvents, type Peer, type PeerData, type PeerId, type PeerStore, TypedEventEmitter } from '@libp2p/interface'
import { defaultLogger } from '@libp2p/logger'
import { PeerRecord, RecordEnvelope } from '@libp2p/peer-record'
import { persistentPeerStore } from '@libp2p/peer-store'
import { multiaddr } from '@multiformats/multiaddr'
import { MemoryDatastore } from 'datastore-core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CachedPeerStore } from './cached-peer-store.ts'

const IDENTITIES = await Promise.all([createIdentity(), createIdentity(), createIdentity()])
const [SELF, PEERS] = [IDENTITIES[0].peerId, IDENTITIES.map(({ peerId }) => peerId)]
const ADDRESSES = [1, 2, 3].map((port) => multiaddr(`/ip4/1.2.3.4/tcp/${port}`))
const RECORDS = await Promise.all(
  [1n, 2n].map(async (seqNumber) => {
    const { peerId, privateKey } = IDENTITIES[1]
    const envelope = await RecordEnvelope.seal(
      new PeerRecord({ peerId, seqNumber, multiaddrs: ADDRESSES.slice(Number(seqNumber)) }),
      privateKey,
    )
    return envelope.marshal().subarray()
  }),
)

const address = fc.record({ multiaddr: fc.constantFrom(...ADDRESSES), isCertified: fc.boolean() })
const bytes = fc.constantFrom(Uint8Array.of(1), Uint8Array.of(2))
const data: fc.Arbitrary<PeerData> = fc.record(
  {
    addresses: fc.array(address, { maxLength: 3 }),
    multiaddrs: fc.array(fc.constantFrom(...ADDRESSES), { maxLength: 2 }),
    protocols: fc.array(fc.constantFrom('/a/1', '/b/1', '/c/1'), { maxLength: 3 }),
    metadata: fc.dictionary(fc.constantFrom('x', 'y'), fc.option(bytes, { nil: undefined })),
    tags: fc.dictionary(fc.constantFrom('s', 't'), fc.record({ value: fc.integer({ min: 0, max: 2 }) })),
  },
  { requiredKeys: [] },
) as fc.Arbitrary<PeerData>
const peer = fc.constantFrom(...PEERS)
type Operation = (store: PeerStore) => Promise<unknown>
const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.tuple(fc.constantFrom('patch' as const, 'merge' as const, 'save' as const), peer, data).map(
    ([how, id, change]): Operation =>
      (store) =>
        store[how](id, structured(change)),
  ),
  peer.map(
    (id): Operation =>
      (store) =>
        store.get(id),
  ),
  peer.map(
    (id): Operation =>
      (store) =>
        store.has(id),
  ),
  peer.map(
    (id): Operation =>
      (store) =>
        store.delete(id),
  ),
  fc.constantFrom(...RECORDS).map(
    (record): Operation =>
      (store) =>
        store.consumePeerRecord(record),
  ),
)

/** The store writes to what it is given. */
function structured(change: PeerData): PeerData {
  return change.addresses === undefined ? { ...change } : { ...change, addresses: change.addresses.map((one) => ({ ...one })) }
}

function seen(value: unknown): unknown {
  return typeof value === 'object' && value !== null && 'protocols' in value ? shown(value as Peer) : value
}

function shown({ id, addresses, protocols, metadata, tags, peerRecordEnvelope }: Peer): unknown {
  const known = addresses.map(({ multiaddr: one, isCertified }) => [one.toString(), isCertified])
  return { id: String(id), known, protocols, metadata, tags, peerRecordEnvelope: peerRecordEnvelope?.slice() }
}

/** All that can be seen of a store on which groups of operations run, each group at once. */
async function run(groups: readonly (readonly Operation[])[], wrap: (store: PeerStore) => PeerStore): Promise<unknown> {
  const events = new TypedEventEmitter<Libp2pEvents>()
  const told: unknown[] = []
  for (const type of ['peer:update', 'self:peer:update'] as const) {
    events.addEventListener(type, ({ detail }) => told.push([type, shown(detail.peer), detail.previous && shown(detail.previous)]))
  }
  const beneath = persistentPeerStore({ peerId: SELF, datastore: new MemoryDatastore(), events, logger: defaultLogger() })
  const store = wrap(beneath)
  const results: unknown[] = []
  for (const group of groups) {
    const settled = await Promise.allSettled(group.map((operate) => operate(store)))
    results.push(settled.map((one) => (one.status === 'fulfilled' ? seen(one.value) : String(one.reason))))
  }
  const left = await Promise.all(PEERS.map((id: PeerId) => beneath.get(id).then(shown, String)))
  return { results, left, told: told.map((one) => JSON.stringify(one)).toSorted() }
}

test('whatever is done at once, nobody but the datastore can tell that there is a cache', async () => {
  const groups = fc.array(fc.array(operation, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 8 })
  await fc.assert(
    fc.asyncProperty(groups, async (operations) => {
      const init = { self: SELF, clock: systemClock, isFiltered: () => false, lifetimeMs: 10_000 }
      const cached = await run(operations, (store) => new CachedPeerStore(store, init))
      expect(cached).toEqual(await run(operations, (store) => store))
    }),
    { seed: 4, numRuns: 100 },
  )
})
