import { compareDistance } from '@kumiko/identity'
import type { Millis, NodeId } from '@kumiko/interface'
import type { Lookup } from '../src/lookup.ts'
import { randomId } from './nodes.ts'
import { type SimulatedNode, Simulation } from './simulation.ts'

/** Nodes start within this, from the beginning on. */
export const START_MS: Millis = 10_000

/** Lookups take no longer. */
const LOOKUP_MS: Millis = 15_000

/** What a network is made of. */
export interface NetworkOptions {
  readonly count: number
  /** Of every packet, 0–1. */
  readonly loss: number
  /** Default: that of all tests. */
  readonly seed?: number
}

/** Addresses in as many networks as there are nodes. */
const host = (index: number): string => `${20 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}.7`

/** All nodes know one bootnode, and start within the first ten seconds. */
export function network({ count, loss, seed }: NetworkOptions): Simulation {
  const net = new Simulation({ loss, ...(seed === undefined ? {} : { seed }) })
  const bootnode = net.add(host(0), [])
  bootnode.start()
  for (let i = 1; i < count; i++) {
    const each = net.add(host(i), [bootnode.record])
    net.after(net.random.random() * START_MS, () => each.start())
  }
  return net
}

/** Within the next ten seconds a share of the nodes goes, and comes back 10–15 s later with empty tables. The bootnode stays. */
export function restart(net: Simulation, share: number): void {
  for (const each of net.nodes.slice(1, 1 + Math.round(share * net.nodes.length))) {
    const goesAtMs = net.random.random() * 10_000
    net.after(goesAtMs, () => each.stop())
    net.after(goesAtMs + 10_000 + net.random.random() * 5000, () => each.start())
  }
}

/** What lookups came to: shares and means. */
export interface Tally {
  readonly lookups: number
  /** The share that found the nearest node. */
  readonly found: number
  /** How many answers, one after another, led to it. */
  readonly hops: number
  /** Nodes asked. */
  readonly queries: number
  /** Nodes in a table of those that are up. */
  readonly tableSize: { readonly min: number; readonly mean: number; readonly max: number }
}

/** Lookups of random targets by random nodes. One that does not end in time found nothing. */
export function measure(net: Simulation, lookups: number): Tally {
  const ended: { readonly lookup: Lookup; readonly nearest: NodeId | undefined }[] = []
  const up = net.nodes.filter(({ isUp }) => isUp)
  const ready = up.filter(({ neighbourhood }) => neighbourhood.isReady)
  const sizes = up.map(({ neighbourhood }) => neighbourhood.table.size)
  for (let i = 0; i < lookups; i++) {
    const target = randomId(net.random)
    const from = net.random.pick(ready)
    const nearest = nearestOf(up, target, from)
    from.lookup(target, (lookup) => ended.push({ lookup, nearest }))
  }
  net.run(LOOKUP_MS)
  const found = ended.filter(({ lookup, nearest }) => lookup.closest.some(({ nodeId }) => nodeId === nearest))
  return {
    lookups,
    found: found.length / lookups,
    hops: mean(ended.map(({ lookup }) => lookup.hops)),
    queries: mean(ended.map(({ lookup }) => lookup.asked)),
    tableSize: { min: sizes.reduce((a, b) => Math.min(a, b)), mean: mean(sizes), max: sizes.reduce((a, b) => Math.max(a, b)) },
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function nearestOf(nodes: readonly SimulatedNode[], target: NodeId, but: SimulatedNode): NodeId | undefined {
  let best: NodeId | undefined
  for (const each of nodes) {
    const { nodeId } = each.record
    if (each !== but && (best === undefined || compareDistance(target, nodeId, best) < 0)) best = nodeId
  }
  return best
}
