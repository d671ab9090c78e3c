import { createHash } from 'node:crypto'
import type { RandomBytes } from '@kumiko/interface'

/**
 * Bytes that are always the same for a seed: for networks that are to have the same keys each time. Whoever knows the seed knows the keys.
 * @param label - Each label has bytes of its own.
 */
export function seededBytes(seed: number | string, label: string): RandomBytes {
  let count = 0
  return (length) => {
    const bytes = new Uint8Array(length)
    for (let at = 0; at < length; at += 32) {
      const digest = createHash('sha256')
        .update(JSON.stringify([seed, label, count++]))
        .digest()
      bytes.set(digest.subarray(0, length - at), at)
    }
    return bytes
  }
}
