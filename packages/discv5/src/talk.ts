import { toHex } from '@kumiko/identity'
import { type Cancel, KumikoError, type NodeRecord, type UdpEndpoint } from '@kumiko/interface'
import { Tally } from '@kumiko/kademlia'
import { senderOf } from './flood-gate.ts'

/** Who asks. */
export interface TalkAsker {
  readonly node: NodeRecord
  readonly from: UdpEndpoint
}

/**
 * Answers the requests of an application protocol. Whoever asked waits less than a second. What it throws is logged, and answered by nothing
 * in it.
 *
 * @returns What fits into a packet: about 1,190 bytes.
 */
export type TalkHandler = (message: Uint8Array, asker: TalkAsker) => Uint8Array | Promise<Uint8Array>

/** Application protocols by their names. */
export interface TalkProtocols {
  /**
   * Answers a protocol's requests from now on.
   *
   * @param protocol - Its name, as UTF-8 or as bytes.
   * @throws KumikoError `discv5/talk-protocol-taken`.
   */
  register(protocol: string | Uint8Array, handler: TalkHandler): Cancel
}

/** Requests answered at a time, in all and of one node (in public networks, of one address); those beyond are answered by nothing. */
export const TALKS_MAX: { readonly all: number; readonly sender: number } = { all: 256, sender: 64 }

/** What a protocol that is not known is answered with. */
const NOTHING = new Uint8Array(0)

/** Handlers of application protocols; as many as are registered. */
export class TalkHandlers implements TalkProtocols {
  readonly #handlers = new Map<string, TalkHandler>()
  readonly #talks = new Tally()

  /** Requests being answered; at most {@link TALKS_MAX}. */
  get talks(): number {
    return this.#talks.size
  }

  register(protocol: string | Uint8Array, handler: TalkHandler): Cancel {
    const key = toHex(bytesOf(protocol))
    if (this.#handlers.has(key)) {
      throw new KumikoError('discv5/talk-protocol-taken', `the TALK protocol ${protocol} has a handler already: cancel that one first`)
    }
    this.#handlers.set(key, handler)
    return () => {
      if (this.#handlers.get(key) === handler) this.#handlers.delete(key)
    }
  }

  /** @returns Empty for a protocol that is not known, and where there is too much to do. @throws What the handler throws. */
  async answer(protocol: Uint8Array, message: Uint8Array, asker: TalkAsker): Promise<Uint8Array> {
    const handler = this.#handlers.get(toHex(protocol))
    const sender = senderOf(asker.node.nodeId, asker.from)
    if (handler === undefined || this.#talks.size >= TALKS_MAX.all || this.#talks.of(sender) >= TALKS_MAX.sender) return NOTHING
    this.#talks.add(sender)
    try {
      return await handler(message, asker)
    } finally {
      this.#talks.remove(sender)
    }
  }
}

/** The bytes of a protocol's name. */
export function bytesOf(protocol: string | Uint8Array): Uint8Array {
  return typeof protocol === 'string' ? new TextEncoder().encode(protocol) : protocol
}
