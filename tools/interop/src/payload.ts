/**
 * Makes `size` bytes from `seed`, the same as the Go side does: xorshift32 (13, 17, 5), each state as four bytes, little-endian, the last
 * cut off. Seed 0 counts as 0x9e3779b9, since zero is xorshift's fixed point. The i-th message of a {@link SendOptions.count} uses `seed + i`.
 */
export function payload(seed: number, size: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(size / 4))
  let state = seed >>> 0 || 0x9e37_79b9
  for (let at = 0; at < words.length; at++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[at] = state
  }
  return new Uint8Array(words.buffer, 0, size) // every machine that we run on is little-endian
}
