const DOT = 46

/** An IP address: 4 or 16 bytes, or its text. IPv4-mapped IPv6 is taken for IPv4 everywhere. */
export type Ip = Uint8Array | string

/**
 * Reads an IP address. IPv4 is four decimal numbers without leading zeros; IPv6 has no brackets and no zone.
 *
 * @returns 4 or 16 bytes; IPv4-mapped IPv6 (`::ffff:1.2.3.4`) as 4. Undefined where it is no address.
 * @see RFC 4291 § 2.2
 */
export function parseIp(text: string): Uint8Array | undefined {
  const bytes = text.includes(':') ? parseIp6(text) : parseIp4(text)
  return bytes === undefined ? undefined : unmapped(bytes)
}

/** The 4 or 16 bytes of an address, or undefined where it is none. */
export function ipBytes(ip: Ip): Uint8Array | undefined {
  if (typeof ip === 'string') return parseIp(ip)
  return ip.length === 4 || ip.length === 16 ? unmapped(ip) : undefined
}

/**
 * Writes an IP address in its canonical form.
 *
 * @param bytes - 4 or 16.
 * @see RFC 5952
 */
export function formatIp(bytes: Uint8Array): string {
  const ip = unmapped(bytes)
  if (ip.length === 4) return ip.join('.')
  const groups = Array.from({ length: 8 }, (_, i) => groupAt(ip, i).toString(16))
  const { start, length } = longestZeros(groups)
  if (length < 2) return groups.join(':')
  return `${groups.slice(0, start).join(':')}::${groups.slice(start + length).join(':')}`
}

/** The same address in its canonical form, IPv4-mapped IPv6 as IPv4; undefined where it is no address. */
export function normalIp(text: string): string | undefined {
  const bytes = parseIp(text)
  return bytes === undefined ? undefined : formatIp(bytes)
}

function parseIp4(text: string): Uint8Array | undefined {
  if (text.length < 7 || text.length > 15) return undefined
  const bytes = new Uint8Array(4)
  let [part, digits, value] = [0, 0, 0]
  for (let i = 0; i <= text.length; i++) {
    const code = i === text.length ? DOT : text.charCodeAt(i)
    if (code === DOT) {
      if (digits === 0 || value > 255 || part > 3) return undefined
      bytes[part++] = value
      digits = value = 0
    } else {
      // No leading zeros: some read them as octal.
      if (code < 48 || code > 57 || (digits > 0 && value === 0)) return undefined
      digits++
      value = value * 10 + code - 48
    }
  }
  return part === 4 ? bytes : undefined
}

function parseIp6(text: string): Uint8Array | undefined {
  const halves = text.split('::', 3)
  const [head = '', tail] = halves
  if (halves.length > 2) return undefined
  const left = groupsOf(head, tail === undefined)
  const right = tail === undefined ? [] : groupsOf(tail, true)
  if (left === undefined || right === undefined) return undefined
  const missing = 8 - left.length - right.length
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined
  const bytes = new Uint8Array(16)
  for (const [i, group] of [...left, ...Array<number>(missing).fill(0), ...right].entries()) {
    bytes[2 * i] = group >> 8
    bytes[2 * i + 1] = group & 0xff
  }
  return bytes
}

/** @param isEnd - The last group may be an IPv4 address. */
function groupsOf(text: string, isEnd: boolean): number[] | undefined {
  if (text === '') return []
  const parts = text.split(':', 9)
  const groups: number[] = []
  for (const [i, part] of parts.entries()) {
    const ip4 = isEnd && i === parts.length - 1 && part.includes('.') ? parseIp4(part) : undefined
    if (ip4 !== undefined) groups.push(groupAt(ip4, 0), groupAt(ip4, 1))
    else if (/^[0-9a-f]{1,4}$/i.test(part)) groups.push(Number.parseInt(part, 16))
    else return undefined
  }
  return groups.length > 8 ? undefined : groups
}

function groupAt(bytes: Uint8Array, index: number): number {
  return ((bytes[2 * index] ?? 0) << 8) | (bytes[2 * index + 1] ?? 0)
}

function unmapped(bytes: Uint8Array): Uint8Array {
  const isMapped = bytes.length === 16 && bytes.subarray(0, 12).every((byte, i) => byte === (i < 10 ? 0 : 0xff))
  return isMapped ? bytes.subarray(12) : bytes
}

/** The first of the longest runs of zero groups. */
function longestZeros(groups: readonly string[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  let start = 0
  for (const [i, group] of groups.entries()) {
    if (group !== '0') start = i + 1
    else if (i + 1 - start > best.length) best = { start, length: i + 1 - start }
  }
  return best
}
