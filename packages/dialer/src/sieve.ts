import { type Clock, type Millis, type NodeRecord, type NodeSource, sleep } from '@kumiko/interface'
import type { AbortOptions } from '@libp2p/interface'
import { within } from './within.ts'

/** After so many refused nodes in a row a source is left alone for a while: it may know no others. */
const REFUSED_IN_A_ROW_MAX = 32
const PAUSE_MS: Millis = 1000

/** A node that does not give its record is waited for no longer. */
const REQUEST_TIMEOUT_MS: Millis = 5000

/** What a sieve goes by. */
export interface SieveOptions {
  readonly clock: Clock
  /** Tells whether a node is wanted. Asked anew each time, and again where its record was found. Must not throw. */
  readonly accepts: (node: NodeRecord) => boolean
  /** Told of each node that was refused. Must not throw. */
  readonly onRefused: (node: NodeRecord) => void
}

/** Those nodes of a source that are wanted. One that is known without a record is asked for it first, where the source can. */
export class Sieve implements NodeSource {
  readonly name: string
  readonly #source: NodeSource
  readonly #options: SieveOptions

  constructor(source: NodeSource, options: SieveOptions) {
    this.name = source.name
    this.#source = source
    this.#options = options
  }

  nodes({ signal }: AbortOptions = {}): AsyncIterable<NodeRecord> {
    return { [Symbol.asyncIterator]: () => this.#iterate(signal) }
  }

  /** `return()` reaches the source at once, also while a node is being waited for. */
  #iterate(signal: AbortSignal | undefined): AsyncIterator<NodeRecord> {
    const controller = new AbortController()
    const signals = signal === undefined ? controller.signal : AbortSignal.any([signal, controller.signal])
    const nodes = this.#source.nodes({ signal: signals })[Symbol.asyncIterator]()
    return {
      next: async () => await this.#next(nodes, signals),
      return: async () => {
        controller.abort()
        await nodes.return?.()
        return { done: true, value: undefined }
      },
    }
  }

  /** Ends with the source and with the signal; rests after each {@link REFUSED_IN_A_ROW_MAX}. @throws whatever the source throws. */
  async #next(nodes: AsyncIterator<NodeRecord>, signal: AbortSignal): Promise<IteratorResult<NodeRecord>> {
    for (let refused = 0; ; refused++) {
      if (refused > 0 && refused % REFUSED_IN_A_ROW_MAX === 0) await sleep(this.#options.clock, PAUSE_MS, signal).catch(() => {})
      if (signal.aborted) return { done: true, value: undefined }
      const found = await nodes.next()
      if (found.done === true) return found
      const wanted = await this.#wanted(found.value, signal)
      if (wanted !== undefined) return { done: false, value: wanted }
    }
  }

  async #wanted(node: NodeRecord, signal: AbortSignal): Promise<NodeRecord | undefined> {
    const { accepts, onRefused } = this.#options
    if (accepts(node)) return node
    const recorded = node.seq === 0n ? await this.#request(node, signal) : undefined
    if (recorded !== undefined && accepts(recorded)) return recorded
    onRefused(node)
    return undefined
  }

  /** Never throws. */
  async #request(node: NodeRecord, signal: AbortSignal): Promise<NodeRecord | undefined> {
    const { clock } = this.#options
    const ask = async (inTime: AbortSignal): Promise<NodeRecord | undefined> => await this.#source.requestEnr?.(node, { signal: inTime })
    const found = await within({ clock, timeoutMs: REQUEST_TIMEOUT_MS, signal }, ask).catch(() => undefined)
    return found?.nodeId === node.nodeId ? found : undefined
  }
}
