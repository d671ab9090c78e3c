import { randomBytes } from 'node:crypto'
import type { RandomBytes } from '@kumiko/interface'
import { curve } from './curve.ts'

/** A new secret key, 32 bytes. @param random - Default: the system's. */
export function generateSecretKey(random: RandomBytes = randomBytes): Uint8Array {
  for (;;) {
    // All but one in 2^128 are keys: the loop ends.
    const secretKey = Uint8Array.from(random(32))
    if (curve.isSecretKey(secretKey)) return secretKey
  }
}
