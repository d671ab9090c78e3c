import { constants, type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { codeOf, KumikoError } from '@kumiko/interface'

/** What block files need of a disk: few calls, so that tests can fail each of them at any byte. */
export interface FileSystem {
  /** Makes the folder and those above it, where missing. When it returns, they outlive a loss of power. */
  makeFolder(path: string): Promise<void>
  /** The names in a folder, in any order. */
  list(path: string): Promise<readonly string[]>
  /** Opens a file to read and write; makes an empty one where it is missing. */
  open(path: string): Promise<RandomAccessFile>
  /** Opens a file that is there, to read only. @throws KumikoError `fabric-ledger/no-file`: a folder, a pipe, a device, that may have no end. */
  openToRead(path: string): Promise<RandomAccessFile>
  /** Returns when the folder's entries, as new files, outlive a loss of power. */
  syncFolder(path: string): Promise<void>
  /** Gives a file or folder another name, at once or not at all; a file takes the place of one that is there. Sync its folder after. */
  rename(from: string, to: string): Promise<void>
  /** Removes a file, or a folder with all that is in it; nothing where it is missing. */
  remove(path: string): Promise<void>
}

/** An open file. */
export interface RandomAccessFile {
  size(): Promise<number>
  /** @returns The bytes there, fewer where the file ends before; the caller's own. */
  read(offset: number, length: number): Promise<Uint8Array>
  /** Writes all of the bytes. Where it fails, some of them may be there. */
  write(bytes: Uint8Array, offset: number): Promise<void>
  truncate(size: number): Promise<void>
  /** Returns when the file's bytes and size outlive a loss of power. */
  sync(): Promise<void>
  close(): Promise<void>
}

/** The system's own, by `node:fs`. */
export const nodeFileSystem: FileSystem = {
  async makeFolder(path) {
    for (const made of await makeFolders(resolve(path))) await syncFolder(dirname(made))
  },
  list: async (path) => await readdir(path),
  open: openFile,
  openToRead,
  syncFolder,
  rename: async (from, to) => await rename(from, to),
  remove: async (path) => await rm(path, { recursive: true, force: true }),
}

/** Node's own way to make those above, too, never returns where the system refuses a name as if one above were missing: in `/proc`. */
async function makeFolders(path: string): Promise<readonly string[]> {
  try {
    return await makeOne(path)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' || dirname(path) === path) throw error
    return [...(await makeFolders(dirname(path))), ...(await makeOne(path))]
  }
}

/** @returns What was made: nothing where the folder is there. */
async function makeOne(path: string): Promise<readonly string[]> {
  try {
    await mkdir(path)
    return [path]
  } catch (error) {
    if (codeOf(error) === 'EEXIST' && (await stat(path)).isDirectory()) return []
    throw error
  }
}

async function syncFolder(path: string): Promise<void> {
  // Windows does not sync folders, and has no need to.
  if (process.platform === 'win32') return
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

async function openToRead(path: string): Promise<RandomAccessFile> {
  // A pipe that nobody writes to would not open.
  const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
  try {
    if (!(await handle.stat()).isFile()) throw new KumikoError('fabric-ledger/no-file', `"${path}" is no file`, { context: { path } })
    return fileOf(handle)
  } catch (error) {
    await handle.close()
    throw error
  }
}

async function openFile(path: string): Promise<RandomAccessFile> {
  const handle = await open(path, 'r+').catch(async (error: unknown) => {
    if (codeOf(error) === 'ENOENT') return await open(path, 'wx+')
    throw error
  })
  return fileOf(handle)
}

function fileOf(handle: FileHandle): RandomAccessFile {
  return {
    size: async () => (await handle.stat()).size,
    async read(offset, length) {
      const bytes = new Uint8Array(length)
      let done = 0
      while (done < length) {
        const { bytesRead } = await handle.read(bytes, done, length - done, offset + done)
        if (bytesRead === 0) break
        done += bytesRead
      }
      return bytes.subarray(0, done)
    },
    async write(bytes, offset) {
      let done = 0
      while (done < bytes.length) done += (await handle.write(bytes, done, bytes.length - done, offset + done)).bytesWritten
    },
    truncate: async (size) => await handle.truncate(size),
    sync: async () => await handle.datasync(),
    close: async () => await handle.close(),
  }
}
