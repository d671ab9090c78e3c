const TIMEOUT = /^(\d{1,8})([HMSmun])$/
const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ['H', 3_600_000],
  ['M', 60_000],
  ['S', 1000],
  ['m', 1],
  ['u', 1e-3],
  ['n', 1e-6],
])

/** A `grpc-timeout` in ms. @returns Undefined for what is none. @see gRPC PROTOCOL-HTTP2.md § Requests */
export function readTimeout(value: string): number | undefined {
  const [, digits, unit] = TIMEOUT.exec(value) ?? []
  const unitMs = UNIT_MS.get(unit ?? '')
  return unitMs === undefined ? undefined : Number(digits) * unitMs
}

/** Text as `grpc-message` has it: UTF-8, where all but printable ASCII, and `%`, is written as `%XX`. */
export function percentEncode(text: string): string {
  if (PLAIN.test(text)) return text
  let encoded = ''
  for (const byte of Buffer.from(text, 'utf8')) {
    const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== PERCENT
    encoded += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return encoded
}

const PERCENT = 0x25
const PLAIN = /^[ -$&-~]*$/
