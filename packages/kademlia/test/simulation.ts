import type { Millis, NodeId, NodeRecord } from '@kumiko/interface'
import { type Seeded, seeded } from '@kumiko/testkit'
import type { Lookup } from '../src/lookup.ts'
import { Neighbourhood, type NeighbourhoodEffect } from '../src/neighbourhood.ts'
import { BUCKET_SIZE } from '../src/table.ts'
import { node, randomId } from './nodes.ts'

/** A request is sent again once, as drivers do. */
const TRIES = 2
const TIMEOUT_MS = 500
const LATENCY_MS = { min: 10, max: 100 }

export interface SimulationOptions {
  readonly seed?: number
  /** Of every packet, 0–1. */
  readonly loss: number
}

/** Nodes that pass messages as values on virtual time. No packet, no socket, no promise. */
export class Simulation {
  readonly random: Seeded
  readonly nodes: SimulatedNode[] = []
  readonly #queue = new EventQueue()
  readonly #loss: number
  readonly #byEndpoint = new Map<string, SimulatedNode>()
  now: Millis = 0

  constructor({ seed, loss }: SimulationOptions) {
    this.random = seeded(seed)
    this.#loss = loss
  }

  /** @param id - Default: a random one. */
  add(host: string, bootnodes: readonly NodeRecord[], id: NodeId = randomId(this.random)): SimulatedNode {
    const each = new SimulatedNode(this, node(id, { host, seq: 1n }), bootnodes)
    this.nodes.push(each)
    this.#byEndpoint.set(host, each)
    return each
  }

  after(delayMs: Millis, call: () => void): void {
    this.#queue.push({ at: this.now + delayMs, call })
  }

  run(durationMs: Millis): void {
    const until = this.now + durationMs
    for (let event = this.#queue.pop(until); event !== undefined; event = this.#queue.pop(until)) {
      this.now = event.at
      event.call()
    }
    this.now = until
  }

  /** Carries a request there and an answer back; undefined after `TRIES` timeouts. */
  request<T>(
    from: SimulatedNode,
    to: NodeRecord,
    serve: (there: SimulatedNode) => T,
    done: (answer: T | undefined) => void,
    tries = TRIES,
  ): void {
    const there = this.#byEndpoint.get(to.endpoints[0]?.host ?? '')
    const run = from.run
    const isAnswered = there?.isUp === true && !this.#isLost() && !this.#isLost()
    const sent = this.#latency()
    if (!isAnswered) {
      this.after(TIMEOUT_MS, () => {
        if (from.run !== run) return
        if (tries > 1) this.request(from, to, serve, done, tries - 1)
        else done(undefined)
      })
      return
    }
    this.after(sent, () => {
      const answer = there.isUp ? serve(there) : undefined
      this.after(this.#latency(), () => from.run === run && done(answer))
    })
  }

  #isLost(): boolean {
    return this.random.random() < this.#loss
  }

  #latency(): Millis {
    return LATENCY_MS.min + this.random.random() * (LATENCY_MS.max - LATENCY_MS.min)
  }
}

/** A driver as discv4 and discv5 have it, without the packets. */
export class SimulatedNode {
  readonly record: NodeRecord
  readonly #net: Simulation
  readonly #bootnodes: readonly NodeRecord[]
  neighbourhood: Neighbourhood
  isUp = false
  /** Counts starts, so that what an earlier run began is forgotten. */
  run = 0
  #armedFor: Millis = Number.POSITIVE_INFINITY

  constructor(net: Simulation, record: NodeRecord, bootnodes: readonly NodeRecord[]) {
    this.#net = net
    this.record = record
    this.#bootnodes = bootnodes
    this.neighbourhood = this.#fresh()
  }

  /** Starts with an empty table. */
  start(): void {
    this.run++
    this.isUp = true
    this.neighbourhood = this.#fresh()
    this.#armedFor = Number.POSITIVE_INFINITY
    this.#arm()
  }

  stop(): void {
    this.run++
    this.isUp = false
  }

  /** What it answers. A hostile node has its own. */
  findnode: (target: NodeId) => NodeRecord[] = (target) => this.neighbourhood.table.closest(target, BUCKET_SIZE, { verifiedOnly: true })

  /** Makes itself known to a node. */
  visit(there: SimulatedNode): void {
    this.#ping(there.record)
  }

  lookup(target: NodeId, done: (lookup: Lookup) => void): void {
    this.#go(this.neighbourhood.lookup(target), done)
  }

  #go(lookup: Lookup, done: (lookup: Lookup) => void): void {
    if (lookup.isDone) {
      done(lookup)
      return
    }
    for (const each of lookup.next()) {
      this.#net.request(
        this,
        each,
        (there) => there.#serve(this.record, lookup.target),
        (found) => {
          if (found === undefined) lookup.failed(each.nodeId)
          else lookup.answered(each.nodeId, found)
          this.#perform(this.neighbourhood.queried(each.nodeId, found, this.#net.now))
          this.#go(lookup, done)
        },
      )
    }
  }

  #serve(from: NodeRecord, target: NodeId): NodeRecord[] {
    this.#meet(from)
    return this.findnode(target)
  }

  /** Both protocols have the sender prove its endpoint before it is served. */
  #meet(from: NodeRecord): true {
    this.#perform(this.neighbourhood.add(from, 'verified', this.#net.now))
    return true
  }

  #perform(effects: readonly NeighbourhoodEffect[]): void {
    for (const effect of effects) {
      if (effect.do === 'ping') this.#ping(effect.node)
      else if (effect.do === 'load') this.#perform(this.neighbourhood.seeded([], this.#net.now))
      else if (effect.do === 'lookup') {
        const target = effect.target === 'self' ? this.record.nodeId : randomId(this.#net.random)
        this.lookup(target, () => this.#perform(this.neighbourhood.lookedUp(this.#net.now)))
      }
    }
    this.#arm()
  }

  #ping(to: NodeRecord): void {
    this.#net.request(
      this,
      to,
      (there) => there.record.nodeId === to.nodeId && there.#meet(this.record),
      (pong) => {
        const { now } = this.#net
        const { nodeId } = to
        this.#perform(pong ? this.neighbourhood.answered(nodeId, undefined, now) : this.neighbourhood.unanswered(nodeId, now))
      },
    )
  }

  #arm(): void {
    const { deadline } = this.neighbourhood
    if (deadline >= this.#armedFor || deadline === Number.POSITIVE_INFINITY) return
    this.#armedFor = deadline
    const { run } = this
    this.#net.after(Math.max(0, deadline - this.#net.now), () => {
      if (this.run !== run || this.#armedFor !== deadline) return
      this.#armedFor = Number.POSITIVE_INFINITY
      this.#perform(this.neighbourhood.expire(this.#net.now))
    })
  }

  #fresh(): Neighbourhood {
    const { random } = this.#net.random
    return new Neighbourhood({ self: this.record.nodeId, random, bootnodes: this.#bootnodes }, this.#net.now)
  }
}

interface Event {
  readonly at: Millis
  readonly call: () => void
}

/** A binary heap by time. */
class EventQueue {
  readonly #heap: Event[] = []

  push(event: Event): void {
    const heap = this.#heap
    let at = heap.length
    for (let up = (at - 1) >> 1; at > 0 && (heap[up]?.at ?? 0) > event.at; up = (at - 1) >> 1) {
      heap[at] = heap[up] ?? event
      at = up
    }
    heap[at] = event
  }

  /** The next event that is due by then. */
  pop(until: Millis): Event | undefined {
    const heap = this.#heap
    const first = heap[0]
    if (first === undefined || first.at > until) return undefined
    const last = heap.pop() ?? first
    if (heap.length > 0) this.#sink(last)
    return first
  }

  #sink(event: Event): void {
    const heap = this.#heap
    const timeAt = (index: number): Millis => heap[index]?.at ?? Number.POSITIVE_INFINITY
    let at = 0
    for (let down = 1; down < heap.length; down = 2 * at + 1) {
      const least = timeAt(down + 1) < timeAt(down) ? down + 1 : down
      if (timeAt(least) >= event.at) break
      heap[at] = heap[least] ?? event
      at = least
    }
    heap[at] = event
  }
}
