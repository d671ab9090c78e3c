import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { identityFile } from '@kumiko/identity'
import { type Identity, KumikoError } from '@kumiko/interface'
import { type NodeDb, openNodeDb } from '@kumiko/node-db'
import { HistoryFile } from './history-file.ts'

/** What a chat keeps from one run to the next. No other process can open it meanwhile. */
export interface DataFolder extends AsyncDisposable {
  /** Of the file `nodekey`. */
  readonly identity: Identity
  /** In `datastore`: peers and their addresses. */
  readonly datastore: NodeDb
  /** In `history-….jsonl`, one for each room. */
  readonly history: HistoryFile
}

/**
 * Opens a folder, and makes what is missing.
 *
 * @throws KumikoError `chat/bad-data-folder`, `chat/data-folder-locked`, `chat/history-not-accessible`, `node-db/not-accessible`; of the key, as
 * `identityFile`.
 */
export async function openDataFolder(path: string, tag: string): Promise<DataFolder> {
  await makeFolder(path)
  // Its lock is taken first: one key never serves two peers.
  const datastore = await openDatabase(path)
  try {
    const identity = await identityFile(join(path, 'nodekey'))
    const history = new HistoryFile(join(path, `history-${tag}.jsonl`))
    const close = async (): Promise<void> => {
      history[Symbol.dispose]()
      await datastore.close()
    }
    return { identity, datastore, history, [Symbol.asyncDispose]: close }
  } catch (error) {
    await datastore.close()
    throw error
  }
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause)
    const message = `cannot make data folder "${path}" (${code === 'EEXIST' ? 'it is a file' : code}): choose another with --data-dir`
    throw new KumikoError('chat/bad-data-folder', message, { context: { path }, cause })
  }
}

async function openDatabase(folder: string): Promise<NodeDb> {
  const path = join(folder, 'datastore')
  try {
    return await openNodeDb({ path })
  } catch (cause) {
    if (!(cause instanceof KumikoError) || cause.code !== 'node-db/in-use') throw cause
    const message = `data folder "${folder}" is in use by another process: stop that one, or choose another with --data-dir`
    throw new KumikoError('chat/data-folder-locked', message, { context: { path }, cause })
  }
}
