import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openNodeDb } from '@kumiko/node-db'
import { seeded, virtualClock } from '@kumiko/testkit'
import { Key } from 'interface-datastore'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'

const ENTRIES = 400
const { bytes, below } = seeded()

let base: string
let folder: string
let path: string
let log: string[]

/** One database for all tests: two tables, and a log with the last of it. */
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'kumiko-corruption-'))
  for (const part of [0, 1, 2]) {
    await using db = await openNodeDb({ path: join(base, 'db') })
    for (let index = part; index < ENTRIES; index += 3) await db.put(keyOf(index), contentOf(index))
  }
})

afterAll(() => rm(base, { recursive: true }))

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kumiko-corruption-'))
  path = join(folder, 'db')
  log = []
  await cp(join(base, 'db'), path, { recursive: true })
})

afterEach(() => rm(folder, { recursive: true }))

describe('a whole database', () => {
  it('is read back', async () => {
    expect((await readdir(path)).filter((name) => name.endsWith('.ldb')).length).toBe(2)
    expect(await readBack()).toBe(ENTRIES)
    expect(log).toEqual([])
  })
})

/** What is done to files whose name matches. */
const DAMAGES: Record<string, (file: string) => Promise<void>> = {
  'cut off': async (file) => truncate(file, Math.floor((await readFile(file)).length / 2)),
  emptied: (file) => truncate(file, 0),
  removed: (file) => rm(file),
  overwritten: async (file) => writeFile(file, bytes((await readFile(file)).length)),
  'zeroed at the end': async (file) => {
    const content = await readFile(file)
    await writeFile(file, content.fill(0, Math.max(0, content.length - 64)))
  },
}

describe.each(Object.entries(DAMAGES))('%s', (_, damage) => {
  it.each([
    ['CURRENT', /^CURRENT$/],
    ['MANIFEST', /^MANIFEST-/],
    ['a table', /\.ldb$/],
    ['all but the log', /^(CURRENT|MANIFEST.*|.*\.ldb)$/],
  ])('%s: it is moved aside with one warning, and an empty one begun', async (what, pattern) => {
    const names = (await readdir(path)).filter((name) => pattern.test(name))
    for (const name of what === 'a table' ? names.slice(0, 1) : names) await damage(join(path, name))
    expect(await readBack()).toBe(0)
    await useIt()
    expect(log.length, log.join('\n')).toBe(1)
    expect((await readdir(folder)).sort()).toEqual(['db', 'db.broken-20231114T221320Z'])
    expect(await readdir(join(folder, 'db.broken-20231114T221320Z'))).toEqual(expect.arrayContaining(['LOG']))
  })

  it('the log: what was in no table is gone, as far as it cannot be read, and the rest is there', async () => {
    const name = (await readdir(path)).find((each) => each.endsWith('.log')) ?? ''
    await damage(join(path, name))
    const left = await readBack()
    expect(left).toBeGreaterThanOrEqual(Math.floor((ENTRIES * 2) / 3))
    expect(left).toBeLessThan(ENTRIES)
    await useIt()
    expect(log).toEqual([])
  })
})

describe('one bit', () => {
  it('turned anywhere in a table: nothing wrong is ever read', async () => {
    const pristine = join(base, 'db')
    const name = (await readdir(pristine)).find((each) => each.endsWith('.ldb')) ?? ''
    const table = await readFile(join(pristine, name))
    let moved = 0
    for (let round = 0; round < 60; round++) {
      await rm(path, { recursive: true })
      await cp(pristine, path, { recursive: true })
      const at = below(table.length)
      const turned = Buffer.from(table)
      turned[at] = (table[at] ?? 0) ^ (1 << below(8))
      await writeFile(join(path, name), turned)
      log = []
      const left = await readBack()
      // LevelDB steps over what it cannot make sense of in a block.
      expect(left === 0 || left > ENTRIES - 40, `byte ${at} of ${table.length}: ${left} left`).toBe(true)
      expect(log.length).toBe(left === 0 ? 1 : 0)
      if (left === 0) moved++
    }
    expect(moved).toBeGreaterThan(50)
  })
})

describe('copies that were moved aside', () => {
  it('are three at most, the newest', async () => {
    const clock = virtualClock(1_700_000_000_000)
    await writeFile(join(folder, 'db.broken-notes.txt'), 'not ours')
    for (let round = 0; round < 6; round++) {
      await writeFile(join(path, 'CURRENT'), 'nonsense')
      await using db = await openNodeDb({ path, clock, logger: logger() })
      await db.put(keyOf(round), contentOf(round))
      // Two in one second at first.
      if (round > 0) await clock.advance(1000)
    }
    expect((await readdir(folder)).sort()).toEqual([
      'db',
      'db.broken-20231114T221322Z',
      'db.broken-20231114T221323Z',
      'db.broken-20231114T221324Z',
      'db.broken-notes.txt',
    ])
  })

  it('of one second do not replace each other', async () => {
    for (let round = 0; round < 2; round++) {
      await writeFile(join(path, 'CURRENT'), 'nonsense')
      await readBack()
    }
    expect((await readdir(folder)).sort()).toEqual(['db', 'db.broken-20231114T221320Z', 'db.broken-20231114T221320Z-2'])
  })
})

/** Opens it, and sees that each entry that is there is right. @returns How many there are. */
async function readBack(): Promise<number> {
  await using db = await openNodeDb({ path, clock: virtualClock(1_700_000_000_000), logger: logger() })
  let count = 0
  for await (const { key, value } of db.query({})) {
    const index = Number(key.toString().split('/').at(-1))
    expect(value).toEqual(contentOf(index))
    expect(await db.get(keyOf(index))).toEqual(value)
    count++
  }
  return count
}

/** It works, and opens without a further warning. */
async function useIt(): Promise<void> {
  {
    await using db = await openNodeDb({ path, logger: logger() })
    await db.put(keyOf(1), contentOf(1))
  }
  await using again = await openNodeDb({ path, logger: logger() })
  expect(await again.get(keyOf(1))).toEqual(contentOf(1))
}

function keyOf(index: number): Key {
  return new Key(`/peers/${index}`)
}

/** Half of it compresses, so that blocks of both kinds are there. */
function contentOf(index: number): Uint8Array {
  return Uint8Array.from([...seeded(index).bytes(100), ...new Uint8Array(index % 2 === 0 ? 0 : 300).fill(index)])
}

function logger() {
  const error = (format: string, ...args: unknown[]): void => void log.push([format, ...args].join(' '))
  const silent = Object.assign(() => {}, { enabled: true, trace: () => {}, error, newScope: () => silent })
  return { forComponent: () => silent }
}
