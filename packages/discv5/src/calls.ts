import type { Millis, NodeRecord, UdpEndpoint } from '@kumiko/interface'
import type { FoundNodes } from './found-nodes.ts'
import type { RequestBody, ResponseBody } from './message.ts'
import type { Session } from './session.ts'

/** What an answered request was answered with; NODES once they have all come. */
export type Reply = Exclude<ResponseBody, { type: 'nodes' }> | { readonly type: 'nodes'; readonly nodes: readonly NodeRecord[] }

/** A request that waits for its answer. */
export interface Call {
  /** What our caller knows it by; undefined for one of our own. */
  readonly number: number | undefined
  /** Node and endpoint. */
  readonly key: string
  readonly node: NodeRecord
  readonly to: UdpEndpoint
  readonly type: RequestBody['type']
  /** Its request id, as a number. */
  readonly requestId: number
  /** As it is encrypted. */
  readonly message: Uint8Array
  /** Of a FINDNODE. */
  readonly found: FoundNodes | undefined
  /** What it was sealed with last; undefined before that. */
  session: Session | undefined
  /** The random packet that it was announced by. */
  opening: Uint8Array | undefined
  /** Nonces of what was sent for it: two an attempt at most. */
  readonly nonces: string[]
  attempts: number
  /** WHOAREYOU was answered in this attempt. */
  isHandshaken: boolean
  deadline: Millis
}

/** Calls to one node at one endpoint. There is one while there are calls. */
interface Line {
  /** The one that opens a session; the others wait behind it. */
  opener: Call | undefined
  readonly waiting: Call[]
  /** Under way, by request id. */
  readonly active: Map<number, Call>
}

/** Requests to all nodes at most, waiting ones counted. */
const CALLS_MAX = 2048

/** Requests to one node at most, waiting ones counted. */
const CALLS_NODE_MAX = 64

/** Keeps calls by what they are found by: node, request id, nonce, time. Sends nothing. */
export class Calls {
  readonly #timeoutMs: Millis
  readonly #lines = new Map<string, Line>()
  readonly #byNonce = new Map<string, Call>()
  /** All that are under way, in the order of their deadlines: they are all the same time ahead. */
  readonly #timed = new Set<Call>()
  #waiting = 0

  constructor(timeoutMs: Millis) {
    this.#timeoutMs = timeoutMs
  }

  /** Calls under way or waiting; at most {@link CALLS_MAX}. */
  get size(): number {
    return this.#timed.size + this.#waiting
  }

  /** When the next one times out. */
  get deadline(): Millis {
    for (const { deadline } of this.#timed) return deadline
    return Number.POSITIVE_INFINITY
  }

  /** Tells whether one more may be made. */
  hasRoom(key: string): boolean {
    const line = this.#lines.get(key)
    return this.size < CALLS_MAX && (line === undefined || line.active.size + line.waiting.length < CALLS_NODE_MAX)
  }

  /** The call that opens a session with a node. */
  opener(key: string): Call | undefined {
    return this.#lines.get(key)?.opener
  }

  /** From now on calls to this node wait behind this one. */
  setOpener(call: Call): void {
    this.#line(call.key).opener = call
  }

  /** Something was sent for a call: its time begins anew. @param nonce - Undefined where it was the same packet again. */
  sent(call: Call, nonce: string | undefined, now: Millis): void {
    this.#line(call.key).active.set(call.requestId, call)
    if (nonce !== undefined) {
      call.nonces.push(nonce)
      this.#byNonce.set(nonce, call)
    }
    this.touch(call, now)
  }

  /** More time for a call. */
  touch(call: Call, now: Millis): void {
    this.#timed.delete(call)
    call.deadline = now + this.#timeoutMs
    this.#timed.add(call)
  }

  /** A call waits for the opener. @param isFirst - In front of those that wait already. */
  wait(call: Call, isFirst = false): void {
    const { waiting, active } = this.#line(call.key)
    active.delete(call.requestId)
    this.#timed.delete(call)
    if (isFirst) waiting.unshift(call)
    else waiting.push(call)
    this.#waiting++
  }

  /** Those that wait, who do so no longer. The opener is one no more. */
  release(key: string): Call[] {
    const line = this.#lines.get(key)
    if (line === undefined) return []
    line.opener = undefined
    this.#waiting -= line.waiting.length
    return line.waiting.splice(0)
  }

  /** Calls under way to a node. A copy. */
  active(key: string): Call[] {
    return [...(this.#lines.get(key)?.active.values() ?? [])]
  }

  byRequest(key: string, requestId: number): Call | undefined {
    return this.#lines.get(key)?.active.get(requestId)
  }

  byNonce(nonce: string): Call | undefined {
    return this.#byNonce.get(nonce)
  }

  /** Forgets a call. Those behind it stay. */
  end(call: Call): void {
    this.#timed.delete(call)
    for (const nonce of call.nonces) this.#byNonce.delete(nonce)
    const line = this.#lines.get(call.key)
    if (line === undefined) return
    line.active.delete(call.requestId)
    if (line.opener === call) line.opener = undefined
    if (line.active.size === 0 && line.waiting.length === 0) this.#lines.delete(call.key)
  }

  /** The first that is late. */
  late(now: Millis): Call | undefined {
    for (const call of this.#timed) return call.deadline <= now ? call : undefined
    return undefined
  }

  #line(key: string): Line {
    let line = this.#lines.get(key)
    if (line === undefined) {
      line = { opener: undefined, waiting: [], active: new Map() }
      this.#lines.set(key, line)
    }
    return line
  }
}
