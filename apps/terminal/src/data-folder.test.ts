import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Key } from 'interface-datastore'
import { Level } from 'level'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openDataFolder } from './data-folder.ts'

const KEY = new Key('/peers/one')
const VALUE = Uint8Array.of(1, 2, 3)

let folder: string
let warnings: string[]

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kumiko-data-folder-'))
  warnings = []
})

afterEach(() => rm(folder, { recursive: true }))

test('keeps key, sequence number and peers', async () => {
  const first = await fill()
  await using again = await open()
  expect(again.identity.nodeId).toBe(first.nodeId)
  expect(await again.datastore.get(KEY)).toEqual(VALUE)
  expect((await readdir(folder)).sort()).toEqual(['datastore', 'nodekey', 'nodekey.seq'])
  expect(warnings).toEqual([])
})

test('a broken datastore is moved aside with a warning; the key stays, and the sequence number goes on', async () => {
  const first = await fill()
  await writeFile(join(folder, 'datastore', 'CURRENT'), 'nonsense')
  {
    await using again = await open()
    expect(again.identity.nodeId).toBe(first.nodeId)
    expect(again.identity.record.seq).toBeGreaterThan(first.seq)
    expect(await again.datastore.has(KEY)).toBe(false)
  }
  expect(warnings).toEqual([expect.stringMatching(/^node database ".*datastore" is broken .*: it is moved to ".*datastore\.broken-\w+"/)])
  await using _ = await open()
  expect(warnings.length).toBe(1)
})

test('a datastore of an earlier kumiko is moved aside: its peers are found again', async () => {
  const level = new Level(join(folder, 'datastore'))
  await level.put('/peers/one', 'two')
  await level.close()
  await using _ = await open()
  expect(warnings).toEqual([expect.stringContaining('of an earlier kumiko')])
  expect((await readdir(folder)).map((name) => name.replace(/-\d.*/, '')).sort()).toEqual([
    'datastore',
    'datastore.no-version',
    'nodekey',
    'nodekey.seq',
  ])
})

test('is of one process at a time, and the key is not touched by another', async () => {
  await using _ = await open()
  const seq = await readFile(join(folder, 'nodekey.seq'), 'utf8')
  await expect(open()).rejects.toMatchObject({ code: 'terminal/data-folder-locked', context: { path: join(folder, 'datastore') } })
  expect(await readFile(join(folder, 'nodekey.seq'), 'utf8')).toBe(seq)
})

test('frees the datastore where the key cannot be used', async () => {
  await writeFile(join(folder, 'nodekey'), 'no key')
  await expect(open()).rejects.toMatchObject({ code: 'identity/bad-key-file' })
  await rm(join(folder, 'nodekey'))
  await using _ = await open()
})

test('a folder that cannot be made says why', async () => {
  const path = join(folder, 'file')
  await writeFile(path, '')
  await expect(openDataFolder(path, () => {})).rejects.toMatchObject({
    code: 'terminal/bad-data-folder',
    message: `cannot make data folder "${path}" (it is a file): choose another with --data-dir`,
  })
})

async function fill() {
  await using first = await open()
  await first.datastore.put(KEY, VALUE)
  return { nodeId: first.identity.nodeId, seq: first.identity.record.seq }
}

function open() {
  return openDataFolder(folder, (text) => warnings.push(text))
}
