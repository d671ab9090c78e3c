import { createHash } from 'node:crypto'
import { lstat, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'

/** A Unix socket's path has room for so many bytes on every system. */
const PATH_MAX_BYTES = 100

/**
 * Where a node with this data folder is asked and told things: a Unix socket in the folder, as geth's `geth.ipc`, or a named pipe on Windows. A folder
 * whose path is too long for a socket has it among the temporary files.
 */
export function controlPath(dataDir: string): string {
  const digest = createHash('sha256').update(resolve(dataDir)).digest('hex').slice(0, 24)
  if (process.platform === 'win32') return `\\\\.\\pipe\\kumiko-${digest}`
  const path = join(resolve(dataDir), 'kumiko.ipc')
  return Buffer.byteLength(path) <= PATH_MAX_BYTES ? path : join(tmpdir(), `kumiko-${digest}.ipc`)
}

/**
 * Whether whoever owns the folder put the socket there (or root, or we): among the temporary files anybody might have, and be told what is meant for the node.
 *
 * @throws Where there is no socket, or no folder.
 */
export async function isOwners(path: string, dataDir: string): Promise<boolean> {
  if (process.platform === 'win32' || dirname(path) === resolve(dataDir)) return true
  const [socket, folder] = await Promise.all([lstat(path), stat(dataDir)])
  return socket.isSocket() && [folder.uid, process.getuid?.(), 0].includes(socket.uid)
}
