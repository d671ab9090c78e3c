import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { identityFile } from '@kumiko/identity'
import { type Identity, KumikoError } from '@kumiko/interface'
import { LevelDatastore } from 'datastore-level'
import { Level } from 'level'

/** A node's folder, open: no other process can open it meanwhile. */
export interface DataFolder extends AsyncDisposable {
  readonly path: string
  /** Of the file `nodekey`; its record's sequence number is in `nodekey.seq`, written through to the disk before it is used. */
  readonly identity: Identity
  /** LevelDB, in `datastore`. */
  readonly datastore: LevelDatastore
}

/**
 * Opens a node's folder, and makes what is missing. The datastore's lock is taken first: one key never serves two nodes.
 *
 * @throws KumikoError `node/bad-data-folder`, `node/data-folder-locked`, `node/bad-datastore`; of the key, as `identityFile`.
 */
export async function openDataFolder(path: string): Promise<DataFolder> {
  await makeFolder(path)
  const level = await openLevel(path)
  try {
    const identity = await identityFile(join(path, 'nodekey'))
    return { path, identity, datastore: new LevelDatastore(level), [Symbol.asyncDispose]: () => level.close() }
  } catch (error) {
    await level.close()
    throw error
  }
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
  } catch (cause) {
    const why = codeOf(cause) === 'EEXIST' ? 'it is a file' : codeOf(cause)
    throw new KumikoError('node/bad-data-folder', `cannot make data folder "${path}" (${why}): choose another with --data-dir`, {
      context: { path },
      cause,
    })
  }
}

async function openLevel(folder: string): Promise<Level<string, Uint8Array>> {
  const path = join(folder, 'datastore')
  const level = new Level<string, Uint8Array>(path, { keyEncoding: 'utf8', valueEncoding: 'view' })
  try {
    await level.open()
    return level
  } catch (error) {
    const cause = error instanceof Error ? (error.cause ?? error) : error
    const context = { path }
    if (codeOf(cause) === 'LEVEL_LOCKED') {
      const message = `data folder "${folder}" is in use by another process: stop that one, or choose another with --data-dir`
      throw new KumikoError('node/data-folder-locked', message, { context, cause })
    }
    const why = cause instanceof Error ? cause.message : String(cause)
    const message = `cannot open datastore "${path}" (${why}): make it accessible, or move it away to begin with an empty one; the key is kept`
    throw new KumikoError('node/bad-datastore', message, { context, cause })
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}
