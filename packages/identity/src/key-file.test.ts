import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KumikoError } from '@kumiko/interface'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { toHex } from './hex.ts'
import { fileSeqStore, identityFile, loadKeyFile, saveKeyFile } from './key-file.ts'
import { generateSecretKey } from './secret-key.ts'

const HEX = 'b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291'
const secretKey = Uint8Array.from(Buffer.from(HEX, 'hex'))

let folder: string
let path: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kumiko-key-'))
  path = join(folder, 'nodekey')
})
afterEach(() => rm(folder, { recursive: true }))

async function errorOf(action: Promise<unknown>): Promise<KumikoError> {
  const error = await action.catch((reason: unknown) => reason)
  if (!(error instanceof KumikoError)) throw new Error(`want a KumikoError, got ${error}`)
  expect(error.message).not.toContain('\n')
  return error
}

test('a saved key is read back, is mode 0600, and leaves no other file', async () => {
  await saveKeyFile(path, secretKey)
  expect(await loadKeyFile(path)).toEqual(secretKey)
  expect(await readFile(path, 'latin1')).toBe(`${HEX}\n`)
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  expect(await readdir(folder)).toEqual(['nodekey'])
})

test.each([
  ['none', ''],
  ['LF', '\n'],
  ['CRLF', '\r\n'],
])('a key file may end with a line end: %s', async (_name, end) => {
  await writeFile(path, HEX.toUpperCase() + end)
  expect(await loadKeyFile(path)).toEqual(secretKey)
})

test.each([
  ['', 'it holds nothing'],
  ['00', 'it holds 2 hex digits'],
  [`${HEX}00`, 'it holds 66 hex digits'],
  [`0x${HEX}`, 'digits behind "0x"'],
  [HEX.replace('b', 'x'), 'something other than hex digits'],
  [`${HEX}\n\n\n`, 'more than one line'],
  [`${HEX}\n${HEX}`, 'more than one line'],
  [`${HEX} `, 'something other than hex digits'],
  ['00'.repeat(32), 'no secp256k1 key'],
  ['ff'.repeat(32), 'no secp256k1 key'],
  ['a'.repeat(100_000), 'it holds 256 hex digits'],
])('a corrupt key file is refused and left alone: %.20s', async (content, why) => {
  await writeFile(path, content)
  for (const open of [loadKeyFile, identityFile]) {
    const error = await errorOf(open(path))
    expect(error.code).toBe('identity/bad-key-file')
    expect(error.context).toEqual({ path })
    expect(error.message).toContain(why)
    expect(error.message).not.toContain(HEX.slice(1))
  }
  expect(await readFile(path, 'latin1')).toBe(content)
  expect(await readdir(folder)).toEqual(['nodekey'])
})

test('a folder in place of the key file is told', async () => {
  expect((await errorOf(identityFile(folder))).code).toBe('identity/bad-key-file')
})

test('a path through a file is told', async () => {
  await writeFile(path, HEX)
  expect((await errorOf(loadKeyFile(join(path, 'nodekey')))).code).toBe('identity/unreadable-key-file')
  expect((await errorOf(saveKeyFile(join(path, 'nodekey'), secretKey))).code).toBe('identity/key-file-not-saved')
})

test('a loop of links is told', async () => {
  await symlink(path, path)
  expect((await errorOf(loadKeyFile(path))).code).toBe('identity/unreadable-key-file')
})

test.skipIf(process.getuid?.() === 0)('a file that must not be read is told', async () => {
  await writeFile(path, HEX)
  await chmod(path, 0)
  expect((await errorOf(identityFile(path))).code).toBe('identity/unreadable-key-file')
})

test('loading does not make a key', async () => {
  expect((await errorOf(loadKeyFile(path))).code).toBe('identity/no-key-file')
  expect(await readdir(folder)).toEqual([])
})

test('saving never replaces a file', async () => {
  await writeFile(path, 'mine')
  expect((await errorOf(saveKeyFile(path, secretKey))).code).toBe('identity/key-file-exists')
  expect(await readFile(path, 'utf8')).toBe('mine')
  expect(await readdir(folder)).toEqual(['nodekey'])
})

test('what is no key is not saved', async () => {
  expect((await errorOf(saveKeyFile(path, new Uint8Array(32)))).code).toBe('identity/bad-secret-key')
  expect((await errorOf(saveKeyFile(path, new Uint8Array(31).fill(1)))).code).toBe('identity/bad-secret-key')
})

test('identityFile makes missing folders, and finds the same key again', async () => {
  const nested = join(folder, 'a', 'b', 'nodekey')
  const first = await identityFile(nested)
  const second = await identityFile(nested)
  expect(second.nodeId).toBe(first.nodeId)
  expect((await stat(nested)).mode & 0o777).toBe(0o600)
  expect((await stat(join(folder, 'a'))).mode & 0o777).toBe(0o700)
  expect((await readdir(join(folder, 'a', 'b'))).sort()).toEqual(['nodekey', 'nodekey.seq'])
})

test('many processes that start at once agree on one key', async () => {
  const identities = await Promise.all(Array.from({ length: 8 }, () => identityFile(path, { seqStore: fileSeqStore(join(folder, 'seq')) })))
  expect(new Set(identities.map(({ nodeId }) => nodeId)).size).toBe(1)
})

test('the sequence number goes up over restarts, with no write on the way out', async () => {
  let last = 0n
  for (let run = 0; run < 3; run++) {
    const { record } = await identityFile(path)
    expect(record.seq > last).toBe(true)
    for (let port = 1; port <= 20; port++) {
      record.setPorts(4, { tcp: port })
      last = record.seq
    }
  }
})

test('a sequence number that cannot be read counts as none, and one that cannot be saved is told', async () => {
  await writeFile(`${path}.seq`, 'not a number')
  expect(await fileSeqStore(`${path}.seq`).load()).toBeUndefined()
  await fileSeqStore(`${path}.seq`).save(7n)
  expect(await fileSeqStore(`${path}.seq`).load()).toBe(7n)
  await mkdir(`${path}2.seq`)
  expect((await errorOf(identityFile(`${path}2`))).code).toBe('identity/seq-not-saved')
})

test('a new key is drawn again until it is one', () => {
  const draws = [new Uint8Array(32), new Uint8Array(32).fill(255), secretKey]
  expect(toHex(generateSecretKey(() => draws.shift() ?? new Uint8Array()))).toBe(HEX)
})
