import { randomBytes } from 'node:crypto'
import { link, mkdir, open, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { codeOf } from '@kumiko/interface'
import { toHex } from './hex.ts'

/**
 * Writes a whole file or nothing, readable by its owner only, and returns when it has reached the disk. Missing folders are made.
 *
 * @param mode - `create`: fails with `EEXIST` where the file is there, also when another process makes it at this moment.
 * @throws What the file system throws.
 */
export async function writeFileAtomic(path: string, text: string, mode: 'create' | 'replace'): Promise<void> {
  const folder = dirname(path)
  // What stands in the way is told by the writing below.
  await mkdir(folder, { recursive: true, mode: 0o700 }).catch(() => {})
  const temporary = `${path}.${toHex(randomBytes(6))}.tmp`
  try {
    await writeSynced(temporary, text)
    if (mode === 'replace') await rename(temporary, path)
    else await linkOrRename(temporary, path)
  } finally {
    await unlink(temporary).catch(() => {})
  }
  await syncFolder(folder)
}

async function writeSynced(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** A link never replaces what is there. File systems without links: a name of our own is claimed first. */
async function linkOrRename(from: string, to: string): Promise<void> {
  try {
    await link(from, to)
  } catch (error) {
    if (!['EPERM', 'ENOTSUP', 'ENOSYS', 'EOPNOTSUPP', 'EMLINK'].includes(codeOf(error) ?? '')) throw error
    await (await open(to, 'wx', 0o600)).close()
    await rename(from, to)
  }
}

/** So that the name outlives a power cut. Not every system can: the file itself is synced in any case. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(() => undefined)
  await folder?.sync().catch(() => {})
  await folder?.close()
}
