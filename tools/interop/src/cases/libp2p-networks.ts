import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createHost } from '@kumiko/host'
import type { Case } from '../case.ts'
import { eventually } from '../converse-nodes.ts'
import { startGoLibp2pPeer } from '../go-libp2p-peer.ts'
import { libp2pParts } from '../js-libp2p-face.ts'
import type { Libp2pPeerOptions, RelayLimits } from '../libp2p-arguments.ts'
import type { ConnectionFacts } from '../libp2p-face.ts'
import { GO, type Implementation, JS2, JS3 } from '../libp2p-implementations.ts'
import { type Libp2pPeer, startOurLibp2pPeer } from '../libp2p-peer.ts'
import { payload } from '../payload.ts'

const PRIVATE = '/kumiko'
const AMINO = '/ipfs'
const TOPIC = 'interop'
const ITERATING_PROTOCOL = '/kumiko/iterating/1.0.0'
const RELAYED_BYTES = 10_000
const LIMIT_BYTES = 100_000
/** Whole seconds, as go-libp2p counts them. */
const LIMIT_MS = 2000

type Start = (options: Libp2pPeerOptions) => Promise<Libp2pPeer>

const OURS: { readonly name: string; readonly start: Start } = { name: 'kumiko', start: startOurLibp2pPeer }

/** Several implementations at once. */
export const libp2pNetworkCases: readonly Case[] = [
  networkCase(
    'kumiko, go-libp2p, js-libp2p 3 and 2.10: one DHT, where each finds what each provides',
    [OURS, GO, JS3, JS2],
    PRIVATE,
    provideAndFind,
  ),
  networkCase('kumiko, go-libp2p, js-libp2p 3 and 2.10: one DHT, where each finds each peer', [OURS, GO, JS3, JS2], PRIVATE, findEachOther),
  networkCase('kumiko, go-libp2p, js-libp2p 3 and 2.10: one DHT, where each gets what each puts', [OURS, GO, JS3, JS2], PRIVATE, putAndGet),
  networkCase(
    "kumiko, go-libp2p, js-libp2p 3: amino's DHT on loopback, where each finds what each provides",
    [OURS, GO, JS3],
    AMINO,
    provideAndFind,
  ),
  gossipCase('go-libp2p → kumiko → js-libp2p 3: gossipsub is relayed to whom the publisher does not know', GO, JS3),
  gossipCase('js-libp2p 3 → kumiko → go-libp2p: gossipsub is relayed to whom the publisher does not know', JS3, GO),
  relayCase('go-libp2p → kumiko → js-libp2p 3: a relayed connection', { relay: OURS, dialer: GO, listener: JS3 }),
  relayCase('js-libp2p 3 → kumiko → go-libp2p: a relayed connection', { relay: OURS, dialer: JS3, listener: GO }),
  relayCase('kumiko → go-libp2p → js-libp2p 3: a relayed connection', { relay: GO, dialer: OURS, listener: JS3 }),
  relayCase('js-libp2p 3 → go-libp2p → kumiko: a relayed connection', { relay: GO, dialer: JS3, listener: OURS }),
  relayCase('kumiko → js-libp2p 3 → go-libp2p: a relayed connection', { relay: JS3, dialer: OURS, listener: GO }),
  limitCase('go-libp2p → kumiko → js-libp2p 3: a relayed connection ends at its limit of bytes', {
    relay: OURS,
    dialer: GO,
    listener: JS3,
  }),
  limitCase('kumiko → go-libp2p → js-libp2p 3: a relayed connection ends at its limit of bytes', {
    relay: GO,
    dialer: OURS,
    listener: JS3,
  }),
  durationCase('js-libp2p 3 → kumiko → go-libp2p: a relayed connection ends at its limit of time', {
    relay: OURS,
    dialer: JS3,
    listener: GO,
  }),
  durationCase('kumiko → go-libp2p → js-libp2p 3: a relayed connection ends at its limit of time', {
    relay: GO,
    dialer: OURS,
    listener: JS3,
  }),
  reservationCase('go-libp2p, js-libp2p 3 → kumiko: a relay that is full refuses a reservation', OURS, [GO, JS3]),
  reservationCase('kumiko, js-libp2p 3 → go-libp2p: a relay that is full refuses a reservation', GO, [OURS, JS3]),
  {
    name: 'kumiko ← go-libp2p: a handler that iterates gets short requests whole, whose end comes with their protocol',
    prepare: GO.prepare,
    run: async () => {
      await using go = await GO.start()
      const host = await createHost({ ...(await libp2pParts({})), start: true })
      try {
        await host.handle(ITERATING_PROTOCOL, async (stream) => {
          for await (const data of stream) if (!stream.send(data)) await stream.onDrain()
          await stream.close()
        })
        await go.dial(String(host.getMultiaddrs()[0]))
        for (const size of [0, 1, 1000, RELAYED_BYTES, LIMIT_BYTES]) {
          deepEqual(await go.echo(host.peerId.toString(), size, 10, ITERATING_PROTOCOL), { size, sha256: sumOf(10, size) })
        }
      } finally {
        await host.stop()
      }
      return undefined
    },
  },
  {
    name: 'go-libp2p ↔ go-libp2p: its chat with rendezvous meets in a DHT of kumiko',
    prepare: GO.prepare,
    run: async () => {
      await using ours = await startOurLibp2pPeer({ dht: PRIVATE })
      await using one = await startGoLibp2pPeer({ dht: PRIVATE })
      await using other = await startGoLibp2pPeer({ dht: PRIVATE })
      for (const peer of [one, other]) {
        await peer?.dial(ours.address())
        await peer?.chat('coffee')
      }
      await one?.next('chat-joined', 60_000)
      await other?.next('chat-joined', 60_000)
      equal(await one?.say('hello'), 1)
      equal((await other?.next('chat-line'))?.text, 'hello')
      equal(await other?.say('and hello'), 1)
      equal((await one?.next('chat-line'))?.text, 'and hello')
      return undefined
    },
  },
]

function networkCase(
  name: string,
  kinds: readonly { start: Start }[],
  dht: string,
  run: (peers: readonly Libp2pPeer[]) => Promise<void>,
): Case {
  return {
    name,
    deadlineMs: 60_000,
    prepare: GO.prepare,
    run: async () => {
      await using started = await startAll(
        kinds.map(
          ({ start }) =>
            () =>
              start({ dht }),
        ),
      )
      const [first, ...others] = started.peers
      for (const peer of others) await peer.dial(first?.address() ?? '')
      await eventually('the first knows all', async () => (await first?.routingTable())?.length === others.length)
      await Promise.all(others.map((peer) => eventually('all know the first', async () => (await peer.routingTable()).length > 0)))
      await run(started.peers)
      return undefined
    },
  }
}

async function provideAndFind(peers: readonly Libp2pPeer[]): Promise<void> {
  for (const provider of peers) {
    const key = `of ${provider.id}`
    await provider.provide(key)
    for (const asker of peers) if (asker !== provider) deepEqual(await asker.findProviders(key, 1), [provider.id])
  }
}

async function findEachOther(peers: readonly Libp2pPeer[]): Promise<void> {
  for (const asker of peers) {
    for (const sought of peers) {
      if (sought === asker) continue
      const addresses = await asker.findPeer(sought.id)
      const [plain = ''] = sought.address().split('/p2p/')
      ok(
        addresses.some((address) => address.startsWith(plain)),
        `${plain} is not among ${addresses}`,
      )
    }
  }
}

async function putAndGet(peers: readonly Libp2pPeer[]): Promise<void> {
  for (const putter of peers) {
    const key = `/kumiko/${putter.id}`
    await putter.put(key, `from ${putter.id}`)
    for (const getter of peers) equal(await getter.get(key), `from ${putter.id}`)
  }
}

/** Both know us alone. */
function gossipCase(name: string, from: Implementation, to: Implementation): Case {
  return {
    name,
    prepare: GO.prepare,
    run: async () => {
      await using started = await startAll(
        [OURS, from, to].map(
          ({ start }) =>
            () =>
              start({ pubsub: true }),
        ),
      )
      const [ours, publisher, reader] = threeOf(started.peers)
      for (const peer of [publisher, reader]) await peer.dial(ours.address())
      for (const peer of started.peers) await peer.join(TOPIC)
      await eventually('we know both', async () => (await ours.subscribers(TOPIC)).length === 2)
      for (const peer of [publisher, reader]) {
        await eventually('both know us', async () => (await peer.subscribers(TOPIC)).includes(ours.id))
      }
      await eventually('a message comes through', async () => {
        await publisher.publish(TOPIC, `hello ${performance.now()}`)
        const { from, by, text } = await reader.next('published', 1000).catch(() => ({ from: '', by: '', text: '' }))
        return from === publisher.id && by === ours.id && text.startsWith('hello')
      })
      deepEqual(await publisher.connections(reader.id), [])
      return undefined
    },
  }
}

interface Relayed<Of> {
  readonly relay: Of
  readonly dialer: Of
  /** Reserves a slot. */
  readonly listener: Of
}

function relayCase(name: string, kinds: Relayed<{ start: Start }>): Case {
  return relayedCase(name, kinds, {}, async ({ relay, dialer, listener }) => {
    for (const [one, other] of [
      [dialer, listener],
      [listener, dialer],
    ] as const) {
      const [connection] = await relayed(one, other)
      ok(connection?.address.includes(`/p2p/${relay.id}/p2p-circuit`), `${connection?.address}`)
      equal(connection?.limited, false)
      ok((await one.ping(other.id)) >= 0)
      deepEqual(await one.echo(other.id, RELAYED_BYTES, 6), { size: RELAYED_BYTES, sha256: sumOf(6, RELAYED_BYTES) })
      equal(await one.sum(other.id, RELAYED_BYTES, 7), sumOf(7, RELAYED_BYTES))
    }
  })
}

function limitCase(name: string, kinds: Relayed<{ start: Start }>): Case {
  return relayedCase(name, kinds, { bytes: LIMIT_BYTES }, async ({ dialer, listener }) => {
    for (const [connection] of [await relayed(dialer, listener), await relayed(listener, dialer)]) equal(connection?.limited, true)
    equal((await dialer.echo(listener.id, RELAYED_BYTES, 8)).size, RELAYED_BYTES)
    const { size } = await dialer.echo(listener.id, 2 * LIMIT_BYTES, 9).catch(() => ({ size: 0 })) // js-libp2p's streams may just end
    ok(size < 2 * LIMIT_BYTES)
    await eventually('it is cut', async () => (await relayed(dialer, listener)).length === 0)
  })
}

function durationCase(name: string, kinds: Relayed<{ start: Start }>): Case {
  return relayedCase(name, kinds, { ms: LIMIT_MS }, async ({ dialer, listener }) => {
    equal((await dialer.echo(listener.id, RELAYED_BYTES, 8)).size, RELAYED_BYTES)
    for (const [one, other] of [
      [dialer, listener],
      [listener, dialer],
    ] as const) {
      await eventually('it is cut', async () => (await relayed(one, other)).length === 0)
    }
  })
}

/** Without those that they may have made directly, once the other's address was told. */
async function relayed(one: Libp2pPeer, other: Libp2pPeer): Promise<ConnectionFacts[]> {
  return (await one.connections(other.id)).filter(({ address }) => address.includes('/p2p-circuit'))
}

/** The listener reserves a slot at the relay, and the dialer, who knows only the relayed address, comes through. */
function relayedCase(
  name: string,
  kinds: Relayed<{ start: Start }>,
  limits: RelayLimits,
  run: (peers: Relayed<Libp2pPeer>) => Promise<void>,
): Case {
  return {
    name,
    prepare: GO.prepare,
    run: async () => {
      await using started = await startAll([
        () => kinds.relay.start({ relay: limits }),
        () => kinds.dialer.start({}),
        () => kinds.listener.start({}),
      ])
      const [relay, dialer, listener] = threeOf(started.peers)
      const address = await reserve(listener, relay)
      await dialer.dial(relay.address())
      await dialer.dial(address)
      await eventually('the listener has it', async () => (await relayed(listener, dialer)).length === 1)
      await run({ relay, dialer, listener })
      return undefined
    },
  }
}

function reservationCase(name: string, kind: { start: Start }, others: readonly { start: Start }[]): Case {
  return {
    name,
    prepare: GO.prepare,
    run: async () => {
      await using started = await startAll([
        () => kind.start({ relay: { reservations: 1 } }),
        ...others.map(
          ({ start }) =>
            () =>
              start({}),
        ),
      ])
      const [relay, first, second] = threeOf(started.peers)
      await reserve(first, relay)
      await rejects(reserve(second, relay))
      return undefined
    },
  }
}

async function reserve(peer: Libp2pPeer, relay: Libp2pPeer): Promise<string> {
  await peer.dial(relay.address())
  return await peer.reserve(relay.address())
}

interface Started extends AsyncDisposable {
  readonly peers: readonly Libp2pPeer[]
}

async function startAll(starts: readonly (() => Promise<Libp2pPeer>)[]): Promise<Started> {
  const peers = await Promise.all(starts.map((start) => start()))
  return { peers, [Symbol.asyncDispose]: async () => void (await Promise.all(peers.map((peer) => peer.close()))) }
}

function threeOf(peers: readonly Libp2pPeer[]): [Libp2pPeer, Libp2pPeer, Libp2pPeer] {
  const [first, second, third] = peers
  if (first === undefined || second === undefined || third === undefined) throw new Error(`three, not ${peers.length}`)
  return [first, second, third]
}

function sumOf(seed: number, size: number): string {
  return createHash('sha256').update(payload(seed, size)).digest('hex')
}
