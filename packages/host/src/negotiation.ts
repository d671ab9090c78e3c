import type { Fault } from '@kumiko/interface'

/** The protocol by which protocols are settled. Both ends say it first. */
export const MULTISTREAM = '/multistream/1.0.0'
/** A token's longest length, its newline included. As in go-multistream. */
export const TOKEN_SIZE_MAX = 1_024
/** A remote's tokens in one negotiation, at most: it has nothing to say beyond its protocols, one after another. */
export const TOKENS_MAX = 1_024
/** A length up to 1,024 takes two bytes of varint. */
const LENGTH_SIZE_MAX = 2
const NEWLINE = 0x0a
const NOT_AVAILABLE = 'na'
const LIST = 'ls'

/** What to do after bytes have come: wait for more; go on with a protocol; or give up, since the remote serves none of ours. */
export type Step =
  | { readonly do: 'wait'; readonly send?: Uint8Array | undefined }
  | {
      readonly do: 'settle'
      readonly protocol: string
      readonly send?: Uint8Array | undefined
      /** What came behind the last token: the protocol's first bytes. A view of what was received. */
      readonly rest: Uint8Array
    }
  | { readonly do: 'refuse' }

/** One end of a negotiation. Holds at most one token that has not come whole. */
export interface Negotiator {
  /**
   * @param bytes - As they came; kept until the next call, never written to.
   * @returns What to do, or why the stream cannot go on. After anything but `wait` it is at its end.
   */
  receive(bytes: Uint8Array): Step | Fault
}

/** A length as varint, the token, a newline. @see multistream-select 1.0.0 § Protocol description. */
export function encodeToken(token: string): Uint8Array {
  const text = Buffer.from(`${token}\n`)
  const length = text.length < 0x80 ? [text.length] : [(text.length & 0x7f) | 0x80, text.length >> 7]
  return Buffer.concat([Uint8Array.from(length), text])
}

const MULTISTREAM_TOKEN = encodeToken(MULTISTREAM)
const NOT_AVAILABLE_TOKEN = encodeToken(NOT_AVAILABLE)

/** The end that asks: it says the header and its first protocol at once, and the next one each time the remote has not got the last. */
export class Initiator implements Negotiator {
  readonly #protocols: readonly string[]
  readonly #tokens = new Tokens()
  #isGreeted = false
  #asked = 0

  /** @param protocols - Best first; at least one. */
  constructor(protocols: readonly string[]) {
    this.#protocols = protocols
  }

  /** What is sent before anything has come. */
  start(): Uint8Array {
    return Buffer.concat([MULTISTREAM_TOKEN, encodeToken(this.#protocols[0] ?? '')])
  }

  receive(bytes: Uint8Array): Step | Fault {
    this.#tokens.push(bytes)
    const asking: Uint8Array[] = []
    for (let token = this.#tokens.next(); token !== undefined; token = this.#tokens.next()) {
      if (typeof token !== 'string') return token
      if (!this.#isGreeted) {
        if (token !== MULTISTREAM) return unexpected(token)
        this.#isGreeted = true
        continue
      }
      const asked = this.#protocols[this.#asked]
      if (token === asked) return { do: 'settle', protocol: token, send: joined(asking), rest: this.#tokens.rest() }
      if (token !== NOT_AVAILABLE) return unexpected(token)
      this.#asked += 1
      const next = this.#protocols[this.#asked]
      if (next === undefined) return { do: 'refuse' }
      asking.push(encodeToken(next))
    }
    return { do: 'wait', send: joined(asking) }
  }
}

/** The end that answers: all that has come at once is answered at once. */
export class Responder implements Negotiator {
  readonly #protocols: readonly string[]
  readonly #tokens = new Tokens()
  #isGreeted = false

  /** @param protocols - What is served; none is answered `na` whatever is asked for. */
  constructor(protocols: readonly string[]) {
    this.#protocols = protocols
  }

  receive(bytes: Uint8Array): Step | Fault {
    this.#tokens.push(bytes)
    const answers: Uint8Array[] = []
    for (let token = this.#tokens.next(); token !== undefined; token = this.#tokens.next()) {
      if (typeof token !== 'string') return token
      if (!this.#isGreeted) {
        if (token !== MULTISTREAM) return unexpected(token)
        this.#isGreeted = true
        answers.push(MULTISTREAM_TOKEN)
        continue
      }
      answers.push(this.#answer(token))
      if (this.#protocols.includes(token)) return { do: 'settle', protocol: token, send: joined(answers), rest: this.#tokens.rest() }
    }
    return { do: 'wait', send: joined(answers) }
  }

  #answer(token: string): Uint8Array {
    if (this.#protocols.includes(token)) return encodeToken(token)
    if (token === LIST) return encodeList(this.#protocols)
    return token === MULTISTREAM ? MULTISTREAM_TOKEN : NOT_AVAILABLE_TOKEN
  }
}

/** Splits what comes into tokens. */
class Tokens {
  #held: Uint8Array = new Uint8Array(0)
  #offset = 0
  #count = 0

  /** What is held of the last call is the start of one token: shorter than its longest form. */
  push(bytes: Uint8Array): void {
    this.#held = this.#offset === this.#held.length ? bytes : Buffer.concat([this.#held.subarray(this.#offset), bytes])
    this.#offset = 0
  }

  /** Undefined: it has not come whole. */
  next(): string | Fault | undefined {
    let [length, size] = [0, 0]
    for (let more = true; more; size++) {
      const byte = this.#held[this.#offset + size]
      if (byte === undefined) return undefined
      if (size === LENGTH_SIZE_MAX) return { fault: 'host/bad-negotiation', detail: 'the length of a token takes more than 2 bytes' }
      length |= (byte & 0x7f) << (7 * size)
      more = (byte & 0x80) !== 0
    }
    if (length > TOKEN_SIZE_MAX) return { fault: 'host/bad-negotiation', detail: `a token of ${length} bytes` }
    const [start, end] = [this.#offset + size, this.#offset + size + length]
    if (end > this.#held.length) return undefined
    if (this.#held[end - 1] !== NEWLINE || length === 0) return { fault: 'host/bad-negotiation', detail: 'a token without a newline' }
    if (++this.#count > TOKENS_MAX) return { fault: 'host/bad-negotiation', detail: `more than ${TOKENS_MAX} tokens` }
    this.#offset = end
    return Buffer.from(this.#held.buffer, this.#held.byteOffset + start, length - 1).toString()
  }

  rest(): Uint8Array {
    return this.#held.subarray(this.#offset)
  }
}

/** All protocols, each as a token, in one token. */
function encodeList(protocols: readonly string[]): Uint8Array {
  const list = Buffer.concat([...protocols.map(encodeToken), Uint8Array.of(NEWLINE)])
  const length: number[] = []
  for (let left = list.length; left > 0 || length.length === 0; left >>= 7) length.push(left > 0x7f ? (left & 0x7f) | 0x80 : left)
  return Buffer.concat([Uint8Array.from(length), list])
}

function joined(parts: readonly Uint8Array[]): Uint8Array | undefined {
  return parts.length < 2 ? parts[0] : Buffer.concat(parts)
}

function unexpected(token: string): Fault {
  return { fault: 'host/bad-negotiation', detail: `unexpected ${JSON.stringify(token.slice(0, 100))}` }
}
