import type { Fault } from '@kumiko/interface'

/**
 * The snappy block format, in plain JavaScript: it skips ahead where nothing repeats, so that incompressible data cost little more than a copy.
 *
 * @see google/snappy format_description.txt
 */

/** Matches are found within blocks of this size. */
const BLOCK_BYTES = 1 << 16
const TABLE_BITS_MAX = 14
/** Shorter inputs, and the end of each block, are not searched. */
const MARGIN_BYTES = 15
/** Below this a loop copies faster than `set`. */
const LOOP_COPY_BYTES = 48
/** A copy element of 3 bytes yields 64 at most. */
const EXPANSION_MAX = 22

/** Position of the last occurrence of a hash within the block. Shared: no call leaves it in use. */
const table = new Uint16Array(1 << TABLE_BITS_MAX)

/** The most bytes that `length` bytes can become. */
export function compressedSizeMax(length: number): number {
  return 32 + length + Math.ceil(length / 6)
}

/**
 * Compresses into a buffer with room for {@link compressedSizeMax} bytes behind `start`.
 *
 * @returns Where the compressed bytes end.
 */
export function compressInto(source: Uint8Array, target: Uint8Array, start: number): number {
  let end = writeLength(source.length, target, start)
  for (let base = 0; base < source.length; base += BLOCK_BYTES) {
    end = compressBlock(source, base, Math.min(source.length, base + BLOCK_BYTES), target, end)
  }
  return end
}

/** Compresses. @returns A buffer of its own. */
export function compress(source: Uint8Array): Uint8Array {
  const target = Buffer.allocUnsafe(compressedSizeMax(source.length))
  return target.subarray(0, compressInto(source, target, 0))
}

function writeLength(length: number, target: Uint8Array, start: number): number {
  let end = start
  let rest = length
  while (rest > 0x7f) {
    target[end++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  target[end++] = rest
  return end
}

function read32(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24) | 0
  )
}

const hash32 = (value: number, shift: number): number => Math.imul(value, 0x1e35a7bd) >>> shift

function compressBlock(source: Uint8Array, base: number, limit: number, target: Uint8Array, start: number): number {
  const length = limit - base
  if (length <= MARGIN_BYTES + 1) return writeLiteral(source, base, limit, target, start)
  let bits = 8
  while (bits < TABLE_BITS_MAX && 1 << bits < length) bits++
  const shift = 32 - bits
  table.fill(0, 0, 1 << bits)

  const searchEnd = limit - MARGIN_BYTES
  let end = start
  let literalFrom = base
  let at = base + 1
  let skip = 32
  while (at <= searchEnd) {
    const value = read32(source, at)
    const slot = hash32(value, shift)
    const candidate = base + (table[slot] as number)
    table[slot] = at - base
    if (candidate >= at || read32(source, candidate) !== value) {
      const step = skip >> 5
      at += step
      skip += step
      continue
    }
    end = writeLiteral(source, literalFrom, at, target, end)
    let matchEnd = at + 4
    for (let other = candidate + 4; matchEnd < limit && source[matchEnd] === source[other]; matchEnd++) other++
    end = writeCopy(at - candidate, matchEnd - at, target, end)
    at = matchEnd
    literalFrom = at
    skip = 32
    if (at <= searchEnd) table[hash32(read32(source, at - 1), shift)] = at - 1 - base
  }
  return writeLiteral(source, literalFrom, limit, target, end)
}

function writeLiteral(source: Uint8Array, from: number, to: number, target: Uint8Array, start: number): number {
  const length = to - from
  if (length === 0) return start
  let end = start
  if (length <= 60) {
    target[end++] = (length - 1) << 2
  } else if (length <= 0x100) {
    target[end++] = 60 << 2
    target[end++] = length - 1
  } else {
    target[end++] = 61 << 2
    target[end++] = (length - 1) & 0xff
    target[end++] = (length - 1) >> 8
  }
  return copyBytes(source, from, to, target, end)
}

/** Copies a range, short ones by a loop. @returns Where the copy ends. */
export function copyBytes(source: Uint8Array, from: number, to: number, target: Uint8Array, start: number): number {
  let end = start
  if (to - from < LOOP_COPY_BYTES) {
    for (let i = from; i < to; i++) target[end++] = source[i] as number
    return end
  }
  target.set(source.subarray(from, to), end)
  return end + to - from
}

/** @param offset - 1–65535. @param length - 4 or more. */
function writeCopy(offset: number, length: number, target: Uint8Array, start: number): number {
  let end = start
  let rest = length
  while (rest > 0) {
    // Never leave a rest of less than 4, which the short form could not write.
    const part = rest <= 64 ? rest : rest < 68 ? 60 : 64
    if (part >= 4 && part <= 11 && offset < 2048) {
      target[end++] = ((offset >> 8) << 5) | ((part - 4) << 2) | 1
      target[end++] = offset & 0xff
    } else {
      target[end++] = ((part - 1) << 2) | 2
      target[end++] = offset & 0xff
      target[end++] = offset >> 8
    }
    rest -= part
  }
  return end
}

/**
 * Decompresses what a remote sent.
 *
 * @param source - Given up: what could not be compressed is returned as a view of it.
 * @param sizeMax - In bytes. The declared length is held against it, and against what so few bytes could become, before anything is allocated.
 */
export function uncompress(source: Uint8Array, sizeMax: number): Uint8Array | Fault {
  let at = 0
  let length = 0
  for (let shift = 0; ; shift += 7) {
    const byte = source[at++]
    if (byte === undefined || shift > 28) return { fault: 'rlpx/bad-snappy', detail: 'length' }
    length += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) break
  }
  if (length > sizeMax) return { fault: 'rlpx/message-too-large', detail: `${length} bytes declared` }
  if (length > source.length * EXPANSION_MAX) return { fault: 'rlpx/bad-snappy', detail: 'declared length is out of reach' }
  if (isOneLiteral(source, at, length)) return source.subarray(source.length - length)
  const target = Buffer.allocUnsafe(length)
  return fillFrom(source, at, target) ? target : { fault: 'rlpx/bad-snappy', detail: 'body' }
}

/** Tells whether all that follows is one literal of this length: what incompressible data of up to a block become. */
function isOneLiteral(source: Uint8Array, at: number, length: number): boolean {
  const size = length - 1
  const extra = source.length - at - length - 1
  if (extra === 0) return source[at] === size << 2 && size < 60
  if (extra === 1) return source[at] === 60 << 2 && source[at + 1] === size
  if (extra === 2) return source[at] === 61 << 2 && source[at + 1] === (size & 0xff) && source[at + 2] === size >> 8
  return false
}

/** Runs the elements of `source` from `start` on. Tells whether they fill the target exactly. */
function fillFrom(source: Uint8Array, start: number, target: Uint8Array): boolean {
  const sourceEnd = source.length
  const size = target.length
  let at = start
  let end = 0
  while (at < sourceEnd) {
    const tag = source[at++] as number
    if ((tag & 3) === 0) {
      let length = (tag >> 2) + 1
      if (length > 60) {
        const lengthBytes = length - 60
        if (at + lengthBytes > sourceEnd) return false
        length = 1
        for (let i = 0; i < lengthBytes; i++) length += (source[at + i] as number) * 2 ** (8 * i)
        at += lengthBytes
      }
      if (length > sourceEnd - at || length > size - end) return false
      copyBytes(source, at, at + length, target, end)
      at += length
      end += length
      continue
    }
    let length = (tag >> 2) + 1
    let offset: number
    if ((tag & 3) === 1) {
      if (at + 1 > sourceEnd) return false
      length = ((tag >> 2) & 7) + 4
      offset = ((tag >> 5) << 8) | (source[at] as number)
      at += 1
    } else if ((tag & 3) === 2) {
      if (at + 2 > sourceEnd) return false
      offset = (source[at] as number) | ((source[at + 1] as number) << 8)
      at += 2
    } else {
      if (at + 4 > sourceEnd) return false
      offset = read32(source, at) >>> 0
      at += 4
    }
    if (offset === 0 || offset > end || length > size - end) return false
    end = repeat(target, end, offset, length)
  }
  return end === size
}

/** Copies `length` bytes from `offset` back; the two may overlap. */
function repeat(target: Uint8Array, start: number, offset: number, length: number): number {
  let end = start
  const stop = start + length
  for (let from = start - offset; end < stop; ) target[end++] = target[from++] as number
  return end
}
