import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ownFolder, PEER } from './peer-folders.ts'

let root: string

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'kumiko-folders-'))
})
afterEach(() => rm(root, { recursive: true }))

test('a folder is taken that is not there, is empty, or has what it is known by', async () => {
  const folder = join(root, 'a', 'b')
  await ownFolder(folder, PEER)
  for (const name of ['.gitignore', 'lost+found', PEER.mark, 'notes.txt']) {
    await mkdir(join(folder, name))
    await ownFolder(folder, PEER)
  }
})

test('a folder with files of others is refused, and left as it is', async () => {
  await writeFile(join(root, 'mine.txt'), '')
  await mkdir(join(root, 'ledgersData'))
  await expect(ownFolder(root, PEER)).rejects.toMatchObject({
    code: 'fabric-peer/bad-folder',
    message: `data folder "${root}" has files that are not a peer's (ledgersData, mine.txt): choose an empty folder, or one that a peer has begun`,
  })
  expect((await readdir(root)).sort()).toEqual(['ledgersData', 'mine.txt'])
})

test('what cannot be a folder is told of', async () => {
  const file = join(root, 'file')
  await writeFile(file, '')
  const message = (path: string): string =>
    `data folder "${path}" cannot be made or read (there is a file in its place): choose another folder`
  for (const path of [file, join(file, 'below')]) await expect(ownFolder(path, PEER)).rejects.toThrow(message(path))
})

test.runIf(process.platform === 'linux')('a folder in /proc, which has none of any name, is told of', async () => {
  for (const path of ['/proc/kumiko', '/proc/kumiko/below']) await expect(ownFolder(path, PEER)).rejects.toThrow('(ENOENT)')
})
