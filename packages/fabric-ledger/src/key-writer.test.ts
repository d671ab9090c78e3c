import { concatBytes, encodeOrderPreservingVarint, encodeUtf8 } from '@kumiko/fabric-protocol'
import { describe, expect, it } from 'vitest'
import { KeyWriter } from './key-writer.ts'

describe('KeyWriter', () => {
  it.each(['', 'short', 'Grüße, 世界 🌏', 'x'.repeat(10_000), `${'x'.repeat(300)}ü`])('writes what its parts are: %.20s', (text) => {
    const writer = new KeyWriter()
    for (const number of [0n, 7n, 2n ** 64n - 1n]) {
      const key = writer.text(text).number(number).bytes(Uint8Array.of(9, 0)).text(text).key()
      const parts = [encodeUtf8(text), encodeOrderPreservingVarint(number), Uint8Array.of(9, 0), encodeUtf8(text)]
      expect(new Uint8Array(key)).toEqual(concatBytes(parts))
    }
  })
})
