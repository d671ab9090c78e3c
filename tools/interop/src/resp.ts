/** A value of RESP, Redis' protocol: a bulk or simple string, an integer, an array, nothing, or an error. */
export type Resp = string | number | null | readonly Resp[] | RespFault

/** What Redis answers in place of a value. */
export interface RespFault {
  readonly fault: string
}

/** Bytes of a value that are waited for at most. */
const PENDING_MAX = 65_536

/** A command: an array of bulk strings. */
export function encodeResp(words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`
}

/** Splits a stream of bytes into values. */
export class RespReader {
  #pending = ''

  /** @param chunk - As it came; one character a byte (latin1). @returns The values that are complete. @throws Error for what is no RESP. */
  push(chunk: string): Resp[] {
    this.#pending += chunk
    const values: Resp[] = []
    for (let next = decode(this.#pending, 0); next !== undefined; next = decode(this.#pending, 0)) {
      values.push(next.value)
      this.#pending = this.#pending.slice(next.end)
    }
    if (this.#pending.length > PENDING_MAX) throw new Error('RESP: a value that is too large')
    return values
  }
}

interface Decoded {
  readonly value: Resp
  readonly end: number
}

function decode(text: string, at: number): Decoded | undefined {
  const lineEnd = text.indexOf('\r\n', at)
  if (lineEnd < 0) return undefined
  const line = text.slice(at + 1, lineEnd)
  const end = lineEnd + 2
  switch (text[at]) {
    case '+':
      return { value: line, end }
    case '-':
      return { value: { fault: line }, end }
    case ':':
      return { value: Number(line), end }
    case '$':
      return decodeBulk(text, Number(line), end)
    case '*':
      return decodeArray(text, Number(line), end)
    default:
      throw new Error(`RESP: no type ${JSON.stringify(text[at])}`)
  }
}

function decodeBulk(text: string, size: number, at: number): Decoded | undefined {
  if (size < 0) return { value: null, end: at }
  const end = at + size + 2
  return end > text.length ? undefined : { value: text.slice(at, at + size), end }
}

function decodeArray(text: string, count: number, at: number): Decoded | undefined {
  if (count < 0) return { value: null, end: at }
  const value: Resp[] = []
  let end = at
  while (value.length < count) {
    const next = decode(text, end)
    if (next === undefined) return undefined
    value.push(next.value)
    end = next.end
  }
  return { value, end }
}
