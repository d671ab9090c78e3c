import { isFault } from '@kumiko/interface'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { makeNodes, publish } from '../test/nodes.ts'
import { decodeBase32, encodeBase32 } from './base32.ts'
import { entryHash, formatEntry, matchesHash, parseEntry } from './entry.ts'
import { formatRoot, parseRoot } from './root.ts'
import { readTreeUrl, verifyZone } from './tree.ts'
import { parseTreeUrl } from './tree-url.ts'

const options = { seed: 42, numRuns: 500 }
const good = [...publish('n.test', makeNodes(20), [publish('m.test', []).url]).zone.values()]
const prefix = fc.constantFrom('', 'enr:', 'enrtree:', 'enrtree://', 'enrtree-branch:', 'enrtree-root:v1 e=')
const anyText = fc.oneof(
  fc.tuple(prefix, fc.string({ unit: 'binary', maxLength: 600 })).map((parts) => parts.join('')),
  fc.tuple(fc.constantFrom(...good), fc.nat(), fc.string({ maxLength: 3 })).map(([text, at, other]) => {
    const cut = at % (text.length + 1)
    return text.slice(0, cut) + other + text.slice(cut + other.length)
  }),
)

test('any text is an entry, a root, a URL or a fault, and says the same when it is written again', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const entry = parseEntry(text)
      if (!isFault(entry)) expect(parseEntry(formatEntry(entry))).toEqual(entry)
      const root = parseRoot(text)
      if (!isFault(root)) expect(formatRoot(root)).toBe(text)
      const url = parseTreeUrl(text)
      if (!isFault(url)) expect(parseTreeUrl(url.text)).toEqual(url)
    }),
    options,
  )
})

test('a text matches its own hash and no other', () => {
  fc.assert(
    fc.property(anyText, anyText, (text, other) => {
      expect(matchesHash(text, entryHash(text))).toBe(true)
      expect(matchesHash(other, entryHash(text))).toBe(other === text)
      expect(matchesHash(text, other)).toBe(false)
    }),
    options,
  )
})

test('base32 gives back the bytes that it took', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
      expect(decodeBase32(encodeBase32(bytes))).toEqual(bytes)
    }),
    options,
  )
})

test('a tree of any size holds what was put into it', () => {
  const all = makeNodes(400)
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 400 }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (count, seq) => {
      const { zone, url } = publish('n.test', all.slice(0, count), [], seq)
      const tree = verifyZone(zone, readTreeUrl(url))
      if (isFault(tree)) throw new Error(tree.detail)
      expect(tree.seq).toBe(seq)
      expect(new Set(tree.records.map(({ nodeId }) => nodeId))).toEqual(new Set(all.slice(0, count).map(({ nodeId }) => nodeId)))
      expect(tree.entries.size).toBe(zone.size - 1)
      for (const text of zone.values()) expect(text.length).toBeLessThanOrEqual(404)
    }),
    { seed: 42, numRuns: 12 },
  )
})
