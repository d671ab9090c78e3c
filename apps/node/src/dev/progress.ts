/** The capabilities over which every connection has to carry messages. */
const DEV_CAPABILITIES = ['echo', 'pingpong'] as const

/** What happens in a neighbourhood. Nodes go by name. */
export type DevEvent =
  | { readonly event: 'listening'; readonly node: string; readonly enode: string }
  | { readonly event: 'connected'; readonly node: string; readonly peer: string; readonly direction: 'inbound' | 'outbound' }
  | { readonly event: 'disconnected'; readonly node: string; readonly peer: string; readonly detail?: string }
  /** A message of `node` has come back from `peer`: told by the capability, over this connection. */
  | {
      readonly event: 'answered'
      readonly node: string
      readonly peer: string
      readonly capability: (typeof DEV_CAPABILITIES)[number]
      readonly roundTripMs: number
    }

/** Two nodes between which something is still missing. */
export interface MissingPair {
  readonly a: string
  readonly b: string
  readonly why: 'not connected' | 'no answer yet'
}

/** One node's view of its connection with another. */
interface Side {
  isConnected: boolean
  readonly answered: Set<string>
}

/** Tells how far a neighbourhood has come. Holds no socket and no timer. Bounded by the pairs of nodes. */
export class Progress {
  readonly #pairs: readonly (readonly [string, string])[]
  /** By `node peer`, both ways. */
  readonly #sides = new Map<string, Side>()
  /** Sides that are not through. */
  readonly #open = new Set<string>()

  constructor(nodes: readonly string[]) {
    this.#pairs = nodes.flatMap((a, i) => nodes.slice(i + 1).map((b) => [a, b] as const))
    for (const [a, b] of this.#pairs) this.#open.add(keyOf(a, b)).add(keyOf(b, a))
  }

  receive(event: DevEvent): void {
    if (event.event === 'listening') return
    const side = this.#side(event.node, event.peer)
    if (event.event === 'connected') side.isConnected = true
    if (event.event === 'answered') side.answered.add(event.capability)
    if (event.event === 'disconnected') {
      // A new connection begins anew.
      side.isConnected = false
      side.answered.clear()
    }
    if (isThrough(side)) this.#open.delete(keyOf(event.node, event.peer))
    else this.#open.add(keyOf(event.node, event.peer))
  }

  /** Pairs of nodes. */
  get pairs(): number {
    return this.#pairs.length
  }

  /** All nodes are connected with all others, and each has been answered by each. */
  get isComplete(): boolean {
    return this.#open.size === 0
  }

  /** Pairs that are not through. */
  missing(): MissingPair[] {
    return this.#pairs.flatMap(([a, b]): MissingPair[] => {
      const sides = [this.#side(a, b), this.#side(b, a)]
      if (sides.some(({ isConnected }) => !isConnected)) return [{ a, b, why: 'not connected' }]
      return sides.every(isThrough) ? [] : [{ a, b, why: 'no answer yet' }]
    })
  }

  #side(node: string, peer: string): Side {
    const key = keyOf(node, peer)
    const known = this.#sides.get(key)
    if (known !== undefined) return known
    const side: Side = { isConnected: false, answered: new Set() }
    this.#sides.set(key, side)
    return side
  }
}

function keyOf(node: string, peer: string): string {
  return `${node} ${peer}`
}

function isThrough({ isConnected, answered }: Side): boolean {
  return isConnected && answered.size === DEV_CAPABILITIES.length
}

/** How many pairs a line names. */
const NAMED_MAX = 6

/** `node-1 – node-2 (not connected), …`. */
export function describeMissing(missing: readonly MissingPair[]): string {
  const named = missing.slice(0, NAMED_MAX).map(({ a, b, why }) => `${a} – ${b} (${why})`)
  const more = missing.length - named.length
  return [...named, ...(more > 0 ? [`and ${more} more`] : [])].join(', ')
}
