/** A block of PEM (RFC 7468). */
export interface PemBlock {
  /** What stands after `BEGIN`: `CERTIFICATE`. */
  readonly type: string
  readonly bytes: Uint8Array
  /** How many bytes of input are left after the block's last line. */
  readonly restBytes: number
}

/**
 * The first block of PEM that can be read, by the rules of Go 1.26's `encoding/pem`: text before it is skipped, headers are allowed, and what is not
 * sound is passed over for what follows.
 * @param input - Any bytes; time is linear in its length for each `END` in it, of which at most {@link BLOCKS_MAX} are tried.
 */
export function decodePem(input: Uint8Array): PemBlock | undefined {
  const text = latin1(input)
  let from = 0
  for (let tries = 0; tries < BLOCKS_MAX; tries++) {
    const end = text.indexOf(END, from)
    if (end < 0) return undefined
    const begin = text.lastIndexOf(BEGIN, end - BEGIN.length)
    const block = begin < from || (begin > from && text[begin - 1] !== '\n') ? undefined : blockAt(text, begin + BEGIN.length, end)
    if (block !== undefined) return block
    from = end + END.length
  }
  return undefined
}

/** A block of PEM as Go writes it: 64 characters a line, a line feed after each. */
export function encodePem(type: string, bytes: Uint8Array): string {
  const lines = base64From(bytes).match(/.{1,64}/g) ?? []
  return [`${BEGIN}${type}-----`, ...lines, `-----END ${type}-----`, ''].join('\n')
}

/** More blocks than any identity or bundle of certificates holds. */
const BLOCKS_MAX = 64

const BEGIN = '-----BEGIN '
const END = '\n-----END '

/** @param start - Of the type. @param end - Of the content. */
function blockAt(text: string, start: number, end: number): PemBlock | undefined {
  const typeLine = lineAt(text, start)
  if (!typeLine.endsWith('-----')) return undefined
  const type = typeLine.slice(0, -5)
  const headers = endOfLine(text, start)
  const body = afterHeaders(text, headers)
  const endLine = text.slice(end + 1, endOfLine(text, end + 1))
  if ((body > headers && end < body) || !isEndLine(endLine, type)) return undefined
  const bytes = bytesFromBase64(text.slice(body, end))
  return bytes && { type, bytes, restBytes: text.length - endOfLine(text, end + 1) }
}

/** The type again, and nothing but blanks behind it. */
function isEndLine(line: string, type: string): boolean {
  const whole = `${END.slice(1)}${type}-----`
  return line.startsWith(whole) && lineAt(line, whole.length) === ''
}

/** Headers are lines with a colon. */
function afterHeaders(text: string, start: number): number {
  let at = start
  while (at < text.length && lineAt(text, at).includes(':')) at = endOfLine(text, at)
  return at
}

/** The line without its end and the blanks before that. */
function lineAt(text: string, start: number): string {
  let end = endOfLine(text, start)
  if (end > start && text[end - 1] === '\n') end -= text[end - 2] === '\r' && end - 2 >= start ? 2 : 1
  while (end > start && (text[end - 1] === ' ' || text[end - 1] === '\t')) end--
  return text.slice(start, end)
}

function endOfLine(text: string, start: number): number {
  const end = text.indexOf('\n', start)
  return end < 0 ? text.length : end + 1
}

/** Each byte becomes the character of its number. */
function latin1(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192))
  return text
}

function bytesFromBase64(text: string): Uint8Array | undefined {
  const digits = text.replace(/[ \t\r\n]/g, '')
  if (digits.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(digits)) return undefined
  return Uint8Array.from(atob(digits), (character) => character.charCodeAt(0))
}

function base64From(bytes: Uint8Array): string {
  return btoa(latin1(bytes))
}
