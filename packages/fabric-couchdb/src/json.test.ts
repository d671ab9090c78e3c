import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readJson, readJsonBytes, writeObject, writeString } from './json.ts'

interface Vectors {
  readonly cases: readonly { readonly input: string; readonly nearest: string | null; readonly asWritten: string | null }[]
}
const { cases } = JSON.parse(readFileSync(join(import.meta.dirname, '../vectors/go-json.json'), 'utf8')) as Vectors

describe('JSON as Go has it', () => {
  it.each(cases)('$input', ({ input, nearest, asWritten }) => {
    const bytes = new Uint8Array(Buffer.from(input, 'base64'))
    const objectText = (numbers: 'nearest' | 'as-written'): string | null => {
      const json = readJsonBytes(bytes, numbers)
      return json?.kind === 'object' ? json.text : null
    }
    expect(objectText('nearest')).toBe(nearest)
    // What Go cannot hold in a float is no object then; CouchDB's own answers hold no such thing.
    if (nearest !== null) expect(objectText('as-written')).toBe(asWritten)
  })

  it('nests 10,000 deep, as Go does', () => {
    const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`
    expect(readJson(nested(10_000), 'nearest')?.text).toBe(nested(10_000))
    expect(readJson(nested(10_001), 'nearest')).toBeUndefined()
    expect(readJson(`{"rows":[{"doc":${nested(10_000)}}]}`, 'as-written')?.kind).toBe('object')
    expect(readJson('['.repeat(1_000_000), 'as-written')).toBeUndefined()
  })

  it('reads long strings', () => {
    const text = `"${'a"\\'.repeat(100_000).replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
    expect(readJson(text, 'nearest')?.text).toBe(text)
  })

  it('tells members and items', () => {
    const json = readJson('{"b":[1.50,"x"],"a":null}', 'as-written')
    expect(json).toEqual({
      kind: 'object',
      text: '{"a":null,"b":[1.50,"x"]}',
      members: new Map<string, unknown>([
        [
          'b',
          {
            kind: 'array',
            text: '[1.50,"x"]',
            items: [
              { kind: 'scalar', text: '1.50' },
              { kind: 'string', text: '"x"', value: 'x' },
            ],
          },
        ],
        ['a', { kind: 'scalar', text: 'null' }],
      ]),
    })
  })

  it('writes objects by their names', () => {
    expect(
      writeObject([
        ['\u{1f600}', '1'],
        ['\uff5e', '2'],
      ]),
    ).toBe('{"\uff5e":2,"\u{1f600}":1}')
    expect(writeString('<\u2028\ud800')).toBe('"\\u003c\\u2028\ufffd"')
  })
})
