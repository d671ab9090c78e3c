import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

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
