import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { Case } from '../case.ts'
import { eventually } from '../converse-nodes.ts'
import type { ForeignLibp2pPeer } from '../go-libp2p-peer.ts'
import { GO, type Implementation, JS2, JS3, type Libp2pTransport, listenAddress, withoutTransport } from '../libp2p-implementations.ts'
import { type Libp2pPeer, startOurLibp2pPeer } from '../libp2p-peer.ts'
import { payload } from '../payload.ts'

const LARGE = 5_000_000
const STREAMS = 100
const LATE_PROTOCOL = '/kumiko/late/1.0.0'
/** Of a key that nobody has. */
const STRANGER = '12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA'

/** Two libp2p peers, one of them ours; the first has dialed, or is to dial, the second. */
interface Pair {
  readonly dialer: Libp2pPeer
  readonly listener: Libp2pPeer
  readonly ours: Libp2pPeer
  readonly theirs: Libp2pPeer
  readonly transport: Libp2pTransport
  readonly address: string
}

/** A Host of ours with one peer of others, both ways. */
export const libp2pPairCases: readonly Case[] = [GO, JS3, JS2].flatMap((implementation) =>
  (['→', '←'] as const).flatMap((arrow) => [
    ...implementation.transports.flatMap((transport) => streamCases(implementation, arrow, transport)),
    ...identifyCases(implementation, arrow),
  ]),
)

function streamCases(implementation: Implementation, arrow: '→' | '←', transport: Libp2pTransport): Case[] {
  const pairCase = pairCaseOf(implementation, arrow, transport)
  const security = transport === 'quic-v1' ? ['native', 'quic'] : ['/noise', '/yamux/1.0.0']
  return [
    pairCase(`${security.join(' and ')}, ping, and 5 MB there and back`, async ({ dialer, listener, ours, theirs, address }) => {
      await dialer.dial(address)
      const [connection] = await ours.connections(theirs.id)
      deepEqual([connection?.security, connection?.muxer, connection?.limited], [...security, false])
      ok((await dialer.ping(listener.id)) >= 0)
      ok((await listener.ping(dialer.id)) >= 0)
      deepEqual(await dialer.echo(listener.id, LARGE, 1), { size: LARGE, sha256: sumOf(1, LARGE) })
      deepEqual(await listener.echo(dialer.id, LARGE, 2), { size: LARGE, sha256: sumOf(2, LARGE) })
    }),
    pairCase('a half-closed stream is answered, both ways', async ({ dialer, listener, address }) => {
      await dialer.dial(address)
      for (const size of [0, 1, 100_000]) {
        equal(await dialer.sum(listener.id, size, 3), sumOf(3, size))
        equal(await listener.sum(dialer.id, size, 4), sumOf(4, size))
      }
    }),
    pairCase(`${STREAMS} streams at once`, async ({ dialer, listener, address }) => {
      await dialer.dial(address)
      const each = Array.from({ length: STREAMS }, (_, index) => ({ size: 10 * index, sha256: sumOf(index, 10 * index) }))
      deepEqual(await Promise.all(each.map(({ size }, index) => dialer.echo(listener.id, size, index))), each)
      equal((await dialer.connections(listener.id)).length, 1)
    }),
    pairCase('a stream that is reset ends at the other side, both ways', async ({ dialer, listener, address, theirs }) => {
      await dialer.dial(address)
      for (const [one, other] of [
        [dialer, listener],
        [listener, dialer],
      ] as const) {
        // @chainsafe/libp2p-quic tells a reset as an end.
        const seenBy = (side: Libp2pPeer) => (transport === 'quic-v1' && (side !== theirs || implementation === JS3) ? 'end' : 'reset')
        equal(await one.provoke(other.id), seenBy(one))
        await one.reset(other.id)
        equal((await other.next('echoed', 30_000, ({ peer, size }) => peer === one.id && size === 1)).how, seenBy(other))
        ok((await one.ping(other.id)) >= 0)
      }
    }),
    pairCase('a wrong peer id is refused', async ({ dialer, listener, address }) => {
      if (implementation === JS2 && arrow === '←') return 'js-libp2p 2.10 takes whoever answers'
      await rejects(dialer.dial(address.replace(listener.id, STRANGER)))
      deepEqual(await dialer.connections(STRANGER), [])
      await eventually('it is closed', async () => (await listener.connections(dialer.id)).length === 0)
      await dialer.dial(address)
      return undefined
    }),
  ]
}

function identifyCases(implementation: Implementation, arrow: '→' | '←'): Case[] {
  const pairCase = pairCaseOf(implementation, arrow, 'tcp')
  return [
    pairCase('identify, with no capability and no /rlpx in it', async ({ dialer, ours, theirs, address }) => {
      await dialer.dial(address)
      for (const [one, other] of [
        [ours, theirs],
        [theirs, ours],
      ] as const) {
        const protocols = [...(await other.protocols())].sort()
        await eventually('identify', async () => String([...(await one.known(other.id)).protocols].sort()) === String(protocols))
      }
      const { protocols, addresses, agent } = await theirs.known(ours.id)
      ok(protocols.includes('/ipfs/id/1.0.0') && addresses.length > 0 && agent.startsWith('kumiko'), agent)
      deepEqual(
        [...protocols, ...addresses].filter((each) => /\/(rlpx|devp2p|eth)\b/.test(each)),
        [],
      )
    }),
    pairCase('identify is pushed when a handler comes', async ({ dialer, ours, theirs, address }) => {
      await dialer.dial(address)
      for (const [one, other] of [
        [ours, theirs],
        [theirs, ours],
      ] as const) {
        await eventually('identify', async () => (await one.known(other.id)).protocols.length > 0)
        const protocol = `${LATE_PROTOCOL}/${ours.id}`
        await other.serveEcho(protocol)
        await eventually('the push', async () => (await one.known(other.id)).protocols.includes(protocol))
        equal((await one.echo(other.id, 10, 5, protocol)).sha256, sumOf(5, 10))
      }
    }),
  ]
}

/** `run` may say why the case is skipped. */
type PairCase = (what: string, run: (pair: Pair) => Promise<unknown>) => Case

/** Each case has a fresh Host of ours, and their peer of all cases. */
function pairCaseOf(implementation: Implementation, arrow: '→' | '←', transport: Libp2pTransport): PairCase {
  return (what, run) => ({
    name: `kumiko ${arrow} ${implementation.name}: ${transport}: ${what}`,
    deadlineMs: 30_000,
    prepare: async () => (await implementation.prepare()) ?? (await withoutTransport(transport)),
    run: async () => {
      const theirs = await sharedPeer(implementation)
      await using ours = await startOurLibp2pPeer({ listen: [listenAddress(transport)] }, { hasRlpx: true })
      const [dialer, listener] = arrow === '→' ? [ours, theirs] : [theirs, ours]
      const address = listener.address(transport === 'tcp' ? undefined : `/${transport}`)
      const skipped = await run({ dialer, listener, ours, theirs, transport, address })
      return typeof skipped === 'string' ? skipped : undefined
    },
  })
}

const shared = new Map<Implementation, ForeignLibp2pPeer>()

/** One peer for all cases, since one of js-libp2p takes a second to start; another one after a case has failed. */
async function sharedPeer(implementation: Implementation): Promise<ForeignLibp2pPeer> {
  const before = shared.get(implementation)
  if (before?.isLiving) return before
  const peer = await implementation.start({ listen: implementation.transports.map(listenAddress) }, 'cases')
  shared.set(implementation, peer)
  return peer
}

function sumOf(seed: number, size: number): string {
  return createHash('sha256').update(payload(seed, size)).digest('hex')
}
