import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { HISTORY_MAX, pastOf, readHistory } from './history.ts'
import { HistoryFile } from './history-file.ts'

const line = (peer: string, at: number, text = `at ${at}`) => ({ type: 'line', peer, at, text }) as const

describe('a history', () => {
  it('leaves out what is broken', () => {
    const good = [line('a', 1), { type: 'joined', peer: 'b', seen: 2, name: 'bob' }]
    const text = [
      JSON.stringify(good[0]),
      '{',
      '',
      '{"type":"line","peer":"a","at":-1,"text":""}',
      JSON.stringify(good[1]),
      '{"type":"li',
    ].join('\n')
    expect(readHistory(text)).toEqual(good)
  })

  it('reads anything', () => {
    const entry = fc.record({
      type: fc.constantFrom('line', 'joined'),
      peer: fc.string(),
      at: fc.double(),
      seen: fc.integer(),
      text: fc.string(),
    })
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.string(),
            entry.map((value) => JSON.stringify(value)),
          ),
        ),
        (lines) => {
          expect(readHistory(lines.join('\n')).length).toBeLessThanOrEqual(lines.join('\n').split('\n').length)
        },
      ),
    )
  })

  it('tells what a room goes on from', () => {
    const entries = [
      line('me', 5),
      { type: 'joined', peer: 'b', seen: 20, name: 'bob' } as const,
      line('b', 10),
      line('me', 4),
      line('c', 9),
    ]
    expect(pastOf(entries, 'me')).toEqual({
      own: [
        { at: 4, text: 'at 4' },
        { at: 5, text: 'at 5' },
      ],
      seen: new Map<string, object>([
        ['b', { seen: 20 }],
        ['c', { seen: 9 }],
      ]),
    })
  })
})

describe('a history file', () => {
  let folder: string
  let path: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'kumiko-chat-'))
    path = join(folder, 'history.jsonl')
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  it('outlives a process that is killed while it writes', () => {
    using first = new HistoryFile(path)
    first.keep({ ...line('a', 1), name: 'ann' })
    first.keep({ type: 'left', peer: 'a', isForGood: true })
    first.keep({ type: 'joined', peer: 'b', seen: 3, isBack: false })
    appendFileSync(path, '{"type":"line","peer":"a","at":2,"te')
    using second = new HistoryFile(path)
    second.keep(line('a', 4))
    const kept = [{ ...line('a', 1), name: 'ann' }, { type: 'joined', peer: 'b', seen: 3 }, line('a', 4)]
    expect(second.entries).toEqual(kept)
    expect(readHistory(readFileSync(path, 'utf8'))).toEqual(kept)
  })

  it('is bounded', () => {
    using file = new HistoryFile(path)
    for (let at = 1; at <= 5 * HISTORY_MAX; at++) file.keep(line('a', at))
    expect(file.entries).toHaveLength(HISTORY_MAX)
    expect(file.entries.at(-1)).toEqual(line('a', 5 * HISTORY_MAX))
    expect(readHistory(readFileSync(path, 'utf8')).length).toBeLessThanOrEqual(4 * HISTORY_MAX)
  })

  it('is bounded in bytes, and nobody talks others out of it', () => {
    using file = new HistoryFile(path)
    for (let at = 1; at <= 10; at++) file.keep(line('a', at))
    for (let at = 1; at <= 2 * HISTORY_MAX; at++) file.keep(line('b', at))
    for (let at = 1; at <= 300; at++) file.keep({ ...line('c', at), text: '\u0001'.repeat(16_384) })
    const from = (peer: string): number => file.entries.filter((entry) => entry.peer === peer).length
    expect(from('a')).toBe(10)
    expect(from('b')).toBeGreaterThan(600)
    expect(from('c')).toBeLessThan(50)
    expect(statSync(path).size).toBeLessThan(17 * 1024 * 1024)
    using again = new HistoryFile(path)
    expect(again.entries.filter(({ peer }) => peer === 'a')).toEqual(file.entries.filter(({ peer }) => peer === 'a'))
  })

  it('says what is wrong, and how to mend it', () => {
    expect(() => new HistoryFile(join(folder, 'missing', 'history.jsonl'))).toThrow(
      /^cannot keep the history in ".*" \(ENOENT\): make it writable, or choose another --data-dir$/,
    )
  })
})
