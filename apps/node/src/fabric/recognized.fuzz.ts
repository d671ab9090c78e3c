import { goldenFile } from '@kumiko/golden-channel'
import { KumikoError } from '@kumiko/interface'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { describe } from './description.ts'
import { recognize, toJson } from './recognized.ts'

/** What is shown of bytes; undefined where they are nothing that is known. Throws nothing but that. */
function shown(bytes: Uint8Array): readonly string[] | undefined {
  try {
    const type = recognize(bytes)
    return [...describe(type, bytes), JSON.stringify(toJson(type, bytes))]
  } catch (error) {
    if (error instanceof KumikoError && (error.code === 'node/unknown-message' || error.code === 'node/bad-message')) return undefined
    throw error
  }
}

test('any bytes are shown, or refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      shown(bytes)
    }),
    { numRuns: 500 },
  )
})

test('a block is shown with any of its bytes changed, or cut anywhere, without control characters', () => {
  const blocks = [0, 8, 52].map((number) => goldenFile(`blocks/block_${number}.block`))
  const change = fc.record({ at: fc.nat(), to: fc.nat({ max: 255 }) })
  fc.assert(
    fc.property(fc.constantFrom(...blocks), fc.array(change, { maxLength: 4 }), fc.option(fc.nat()), (block, changes, cut) => {
      const bytes = block.slice(0, cut === null ? undefined : cut % block.length)
      for (const { at, to } of changes) if (bytes.length > 0) bytes[at % bytes.length] = to
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
      for (const line of shown(bytes) ?? []) expect(line).not.toMatch(/[\u0000-\u001f]/)
    }),
    { numRuns: 200 },
  )
})
