/** A block of PEM (RFC 7468). */
export interface PemBlock {
  /** What stands after `BEGIN`: `CERTIFICATE`. */
  readonly type: string
  readonly bytes: Uint8Array
  /** How many bytes of input are left after the block's last line. */
  readonly restBytes: number
}

/**
 * The first block of PEM that can be read, by the rules of Go's `encoding/pem`: text before it is skipped, headers are allowed, and a block that is
 * not sound is passed over for the next one.
 * @param input - Any bytes; time and memory are linear in its length for each `BEGIN` in it, of which at most {@link BLOCKS_MAX} are tried.
 */
export function decodePem(input: Uint8Array): PemBlock | undefined {
  const text = latin1(input)
  let from = 0
  for (let tries = 0; tries < BLOCKS_MAX; tries++) {
    const start = text.startsWith(BEGIN, from) && isLineStart(text, from) ? from : text.indexOf(`\n${BEGIN}`, from) + 1
    if (start === 0 && !(from === 0 && text.startsWith(BEGIN))) return undefined
    const block = blockAt(text, start)
    if (block !== undefined) return block
    from = endOfLine(text, start)
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
const BLANK = new Set(' \t\r\n')

function blockAt(text: string, start: number): PemBlock | undefined {
  const typeLine = lineAt(text, start)
  if (!typeLine.endsWith('-----') || typeLine.length < BEGIN.length + 5) return undefined
  const type = typeLine.slice(BEGIN.length, -5)
  const body = afterHeaders(text, endOfLine(text, start))
  const end = text.startsWith('-----END ', body) ? body : text.indexOf('\n-----END ', body) + 1
  if (end === 0 || lineAt(text, end) !== `-----END ${type}-----`) return undefined
  const bytes = bytesFromBase64(text.slice(body, end))
  return bytes && { type, bytes, restBytes: text.length - endOfLine(text, end) }
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
  while (end > start && BLANK.has(text[end - 1] ?? '')) end--
  return text.slice(start, end)
}

function endOfLine(text: string, start: number): number {
  const end = text.indexOf('\n', start)
  return end < 0 ? text.length : end + 1
}

function isLineStart(text: string, at: number): boolean {
  return at === 0 || text[at - 1] === '\n'
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
