import { type Cancel, isRefusal } from '@kumiko/interface'
import type { MessageStreamDirection } from '@libp2p/interface'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Bench, peer } from '../test/fixture.ts'
import type { AdmissionTicket } from './admission.ts'

const PEERS = 8
const TRUSTED = [0, 1]
const IPS = ['10.0.0.1', '10.0.0.2', '10.0.1.1', '203.0.113.1', '203.0.113.2', '2001:db8::1', '2001:db8::2']

const limit = fc.option(fc.integer({ min: 0, max: 4 }), { nil: undefined, freq: 1 })
const CAPABILITIES = ['/eth/68', '/eth/69', '/snap/1']
const STREAMS = ['/ipfs/kad/1.0.0', '/chat/1.0.0']
const perProtocol = fc.option(fc.record({ 'eth/69': limit, '/snap/1': limit, [STREAMS[0] ?? '']: limit }), { nil: undefined })
const limits = fc
  .record({
    total: limit,
    inbound: limit,
    outbound: limit,
    rlpx: limit,
    libp2p: limit,
    perIp: limit,
    perSubnet: limit,
    perPeer: limit,
    perProtocol,
  })
  .map(({ perProtocol: protocols, ...plain }) => ({ ...plain, perProtocol: protocols === undefined ? undefined : definedOf(protocols) }))
const shared = fc.subarray(CAPABILITIES)
const direction = fc.constantFrom('inbound' as const, 'outbound' as const)
const which = fc.nat({ max: 30 })

/** One event, in any order with any others. */
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('begin' as const), round: roundOf() }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('connect' as const), round: roundOf() }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('encrypted' as const), which, peer: fc.nat({ max: PEERS - 1 }), isMeant: fc.boolean() }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('upgraded' as const), which, shared }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('stream' as const), which, protocol: fc.constantFrom(...STREAMS), direction }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('end' as const), which }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('release' as const), which }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.constantFrom(1_000, 30_000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('limits' as const), limits }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('maxPeers' as const), maxPeers: fc.nat({ max: 5 }), maxDialed: fc.nat({ max: 3 }) }),
  },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never
type RoundOf = Extract<Step, { do: 'begin' }>['round']

function roundOf() {
  return fc.record({
    direction: fc.constantFrom('inbound' as const, 'outbound' as const),
    stack: fc.constantFrom('rlpx' as const, 'libp2p' as const),
    ip: fc.constantFrom(...IPS),
    peer: fc.nat({ max: PEERS - 1 }),
    meant: fc.option(fc.nat({ max: PEERS - 1 }), { nil: undefined }),
    shared,
  })
}

function definedOf(bounds: Readonly<Record<string, number | undefined>>): Record<string, number> {
  return Object.fromEntries(Object.entries(bounds).flatMap(([name, bound]) => (bound === undefined ? [] : [[name, bound]])))
}

/** What the test itself knows of a ticket: the model. */
interface Known {
  readonly ticket: AdmissionTicket
  readonly ip: string
  proven?: number
  peer?: number
  shared?: readonly string[]
  isReleased?: boolean
}

/** An open stream, as the test knows it. */
interface KnownStream {
  readonly of: Known
  readonly protocol: string
  readonly direction: MessageStreamDirection
  readonly giveBack: Cancel
}

/** Admitted connections by what a limit counts. */
function tally(held: readonly Known[]): Map<string, number> {
  const counts = new Map<string, number>()
  const add = (key: string): void => void counts.set(key, (counts.get(key) ?? 0) + 1)
  for (const { ticket, ip, peer: n, shared = [] } of held) {
    const { direction, stack } = ticket.attempt
    if (stack === 'rlpx') for (const protocol of shared) add(protocol)
    for (const key of ['total', direction, stack, `perIp ${ip}`, `perSubnet ${subnet(ip)}`]) add(key)
    add(stack === 'rlpx' ? `one ${n}` : `perPeer ${n}`)
  }
  return counts
}

function subnet(ip: string): string {
  return ip.includes(':') ? ip.slice(0, ip.lastIndexOf(':')) : ip.slice(0, ip.lastIndexOf('.'))
}

class Model {
  readonly bench: Bench
  readonly known: Known[] = []
  readonly streams: KnownStream[] = []
  /** Peers 0 and 1 are trusted, 1 and 2 static. */
  constructor(maxPendingPeers: number) {
    this.bench = new Bench({ maxPeers: 3, maxDialed: 1, maxPendingPeers })
    for (const n of TRUSTED) this.bench.policy.trusted.add(peer(n).toString())
    for (const n of [1, 2]) this.bench.policy.static.add(peer(n).toString())
  }

  get held(): Known[] {
    return this.known.filter((each) => each.peer !== undefined && each.isReleased !== true)
  }

  async take(step: Step): Promise<void> {
    const { policy, clock } = this.bench
    if (step.do === 'advance') await clock.advance(step.ms)
    else if (step.do === 'limits') policy.limits = step.limits
    else if (step.do === 'maxPeers') Object.assign(policy, { maxPeers: step.maxPeers, maxDialed: step.maxDialed })
    else if (step.do === 'begin') this.#begin(step.round)
    else if (step.do === 'connect') this.#connect(step.round)
    else if (step.do === 'end') this.#end(step.which)
    else this.#move(step)
  }

  #begin(round: RoundOf): Known | undefined {
    const ticket = this.bench.begin(round)
    if (isRefusal(ticket)) return undefined
    const known = { ticket, ip: round.ip }
    this.known.push(known)
    return known
  }

  /** Goes the whole way at once, to the peer that was meant. */
  #connect(round: RoundOf): void {
    const known = this.#begin(round)
    const who = round.direction === 'outbound' ? (round.meant ?? round.peer) : round.peer
    if (known === undefined) return
    if (known.ticket.encrypted(peer(who)) === undefined) known.proven = who
    this.#upgrade(known, round.shared)
  }

  #stream(of: Known, protocol: string, direction: MessageStreamDirection): void {
    const before = this.#open(protocol, direction)
    const answer = of.ticket.stream(protocol, direction)
    if (of.isReleased === true) expect(isRefusal(answer)).toBe(true)
    if (isRefusal(answer) || of.ticket.attempt.stack === 'rlpx') return
    if (of.proven === undefined || of.proven > 1) {
      expect(before).toBeLessThan(this.bench.policy.limits.perProtocol?.[protocol] ?? Number.MAX_SAFE_INTEGER)
    }
    this.streams.push({ of, protocol, direction, giveBack: answer })
  }

  /** Ends a stream, some of them twice. */
  #end(which: number): void {
    const index = which % Math.max(1, this.streams.length)
    const stream = this.streams[index]
    stream?.giveBack()
    stream?.giveBack()
    if (stream !== undefined) this.streams.splice(index, 1)
  }

  #open(protocol: string, direction: MessageStreamDirection): number {
    const isOpen = (each: KnownStream): boolean => each.protocol === protocol && each.direction === direction && each.of.isReleased !== true
    return this.streams.filter(isOpen).length
  }

  #move(step: Exclude<Extract<Step, { which: number }>, { do: 'end' }>): void {
    const target = this.known[step.which % Math.max(1, this.known.length)]
    if (target === undefined) return
    if (step.do === 'release') {
      target.ticket.release()
      target.isReleased = true
    } else if (step.do === 'encrypted') {
      const meant = Array.from({ length: PEERS }, (_, n) => n).find((n) => target.ticket.attempt.peerId?.equals(peer(n)))
      const who = step.isMeant ? (meant ?? step.peer) : step.peer
      if (target.ticket.encrypted(peer(who)) === undefined) target.proven = who
    } else if (step.do === 'stream') this.#stream(target, step.protocol, step.direction)
    else this.#upgrade(target, step.shared)
  }

  #upgrade(target: Known, list: readonly string[]): void {
    const before = tally(this.held)
    const peersBefore = new Set(this.held.map((each) => each.peer))
    const wasHeld = this.held.includes(target)
    const refusal = target.ticket.upgraded(list)
    if (refusal !== undefined || wasHeld) return
    expect(target.isReleased).not.toBe(true)
    expect(target.proven).toBeDefined()
    target.peer = target.proven ?? -1
    target.shared = list
    this.#expectAllowed(target, before, peersBefore)
  }

  /** States the rules again, in other words, for each admission. */
  #expectAllowed(target: Known, before: Map<string, number>, peersBefore: Set<number | undefined>): void {
    const { limits, maxPeers, maxDialed } = this.bench.policy
    const { direction, stack } = target.ticket.attempt
    const n = target.peer ?? -1
    if (stack === 'rlpx') expect(before.get(`one ${n}`) ?? 0).toBe(0)
    if (n <= 1) return
    const below = (key: string, bound: number | undefined): void =>
      expect(before.get(key) ?? 0).toBeLessThan(bound ?? Number.MAX_SAFE_INTEGER)
    below('total', limits.total)
    below(direction, limits[direction])
    below(stack, limits[stack])
    below(`perIp ${target.ip}`, limits.perIp)
    below(`perSubnet ${subnet(target.ip)}`, limits.perSubnet)
    if (stack === 'libp2p') below(`perPeer ${n}`, limits.perPeer)
    else for (const name of target.shared ?? []) below(name, limits.perProtocol?.[name === '/eth/69' ? 'eth/69' : name])
    if (peersBefore.has(n) || (n === 2 && direction === 'outbound')) return
    expect(peersBefore.size).toBeLessThan(maxPeers)
    if (direction === 'inbound') expect(this.bench.slots.counts().inboundPeers - 1).toBeLessThan(Math.max(0, maxPeers - maxDialed))
  }

  expectCounts(): void {
    const { held } = this
    const pending = this.known.filter((each) => each.peer === undefined && each.isReleased !== true)
    const way = (direction: string): number => pending.filter(({ ticket }) => ticket.attempt.direction === direction).length
    expect(this.bench.slots.counts()).toMatchObject({
      pendingInbound: way('inbound'),
      pendingOutbound: way('outbound'),
      peers: new Set(held.map((each) => each.peer)).size,
      connections: held.length,
    })
    const plain = pending.filter(
      ({ ticket }) => ticket.attempt.direction === 'outbound' && !TRUSTED.some((n) => ticket.attempt.peerId?.equals(peer(n))),
    )
    expect(Math.max(way('inbound'), plain.length)).toBeLessThanOrEqual(this.bench.policy.maxPendingPeers)
    for (const protocol of STREAMS) {
      for (const each of ['inbound', 'outbound'] as const) {
        expect(this.bench.streams.count(protocol, each)).toBe(this.#open(protocol, each))
      }
    }
  }
}

it('holds every limit under any interleaving, and gets every slot back', async () => {
  const steps = fc.array(step, { minLength: 20, maxLength: 120 })
  let [admitted, streamed] = [0, 0]
  await fc.assert(
    fc.asyncProperty(steps, fc.integer({ min: 1, max: 6 }), async (list, maxPendingPeers) => {
      const model = new Model(maxPendingPeers)
      for (const each of list) {
        await model.take(each)
        model.expectCounts()
      }
      admitted += model.known.filter((each) => each.peer !== undefined).length
      streamed += model.streams.length
      for (const { ticket } of model.known) ticket.release()
      for (const { giveBack } of model.streams) giveBack()
      expect(model.bench.streams.size).toBe(0)
      expect(model.bench.slots.counts()).toEqual({ pendingInbound: 0, pendingOutbound: 0, peers: 0, inboundPeers: 0, connections: 0 })
    }),
    { numRuns: 300, seed: 20261121 },
  )
  expect(admitted).toBeGreaterThan(800)
  expect(streamed).toBeGreaterThan(100)
})
