import { createHash } from 'node:crypto'
import type { Fault, Millis } from '@kumiko/interface'

/** What our nodes speak with each other: one JSON object a line. Others are spoken to in plain lines, by the chat's own protocol. */
export const KUMIKO_PROTOCOL = '/kumiko/chat/1.0.0'

/** Text of a line, in bytes of UTF-8. */
export const LINE_MAX_BYTES = 16_384

/** A line of {@link KUMIKO_PROTOCOL}: JSON writes a control character in 6 bytes. */
export const MESSAGE_MAX_BYTES: number = 6 * LINE_MAX_BYTES + 1024

/** Of a name, in characters. */
export const NAME_MAX = 32

/** The first message in each direction. */
export interface Hello {
  readonly type: 'hello'
  /** {@link roomTag}: whoever is in another room is not spoken with. */
  readonly room: string
  readonly name?: string
  /** The last of your lines that I have: go on behind it. None: I am new to you. */
  readonly seen?: Millis
  /** The last of my lines that others have heard. */
  readonly last: Millis
}

/** A line that the sender says. */
export interface Said {
  readonly type: 'said'
  /** When it was said, and its number: greater than that of the line before. */
  readonly at: Millis
  readonly text: string
}

/** The sender leaves for good. */
export interface Bye {
  readonly type: 'bye'
}

export type Message = Hello | Said | Bye

/** Names a room without telling its word to whoever does not know it. Those who speak different protocols are in different rooms. */
export function roomTag(rendezvous: string, protocol: string): string {
  return createHash('sha256')
    .update(JSON.stringify([protocol, rendezvous]))
    .digest('hex')
    .slice(0, 32)
}

/** A message as a line, without its end. */
export function encodeMessage(message: Message): string {
  return JSON.stringify(message)
}

/** Reads a line. What is of a type that is not known here is undefined, and to be skipped: later versions may say more. */
export function decodeMessage(line: string): Message | Fault | undefined {
  const value = parse(line)
  if (typeof value !== 'object' || value === null) return bad('no JSON object')
  const fields = value as Readonly<Record<string, unknown>>
  switch (fields.type) {
    case 'hello':
      return decodeHello(fields)
    case 'said':
      return decodeSaid(fields)
    case 'bye':
      return { type: 'bye' }
    default:
      return typeof fields.type === 'string' ? undefined : bad('no type')
  }
}

function decodeHello({ room, name, seen, last }: Readonly<Record<string, unknown>>): Hello | Fault {
  if (typeof room !== 'string' || !isTime(last)) return bad('hello')
  if (seen !== undefined && !isTime(seen)) return bad('hello')
  if (name !== undefined && typeof name !== 'string') return bad('hello')
  const called = name === undefined ? '' : cleanName(name)
  return { type: 'hello', room, last, ...(called === '' ? {} : { name: called }), ...(seen === undefined ? {} : { seen }) }
}

function decodeSaid({ at, text }: Readonly<Record<string, unknown>>): Said | Fault {
  if (!isTime(at) || typeof text !== 'string') return bad('said')
  if (Buffer.byteLength(text) > LINE_MAX_BYTES)
    return { fault: 'chat/line-too-long', detail: `a line of more than ${LINE_MAX_BYTES} bytes` }
  return { type: 'said', at, text }
}

/** What others see of a name: one word or some, without what steers a terminal or is not seen, by which two names would look the same. */
export function cleanName(name: string): string {
  const seen = name.replaceAll(/[\p{Default_Ignorable_Code_Point}\u2800]+/gu, '')
  const words = seen
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim()
    .normalize('NFC')
  return [...words].slice(0, NAME_MAX).join('').trim()
}

/** Unix milliseconds, as a message or an entry of the history may have them. */
export function isTime(value: unknown): value is Millis {
  return Number.isSafeInteger(value) && Number(value) >= 0
}

/** The JSON value of a line. @returns Undefined where it is none. */
export function parse(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

function bad(what: string): Fault {
  return { fault: 'chat/bad-message', detail: what }
}
