import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { format } from 'node:util'
import { identityFile } from '@kumiko/identity'
import { codeOf, type Identity, KumikoError } from '@kumiko/interface'
import { type NodeDb, openNodeDb } from '@kumiko/node-db'
import type { ComponentLogger, Logger } from '@libp2p/interface'
import { defaultLogger } from '@libp2p/logger'
import { printable } from './printable.ts'

/** A node's folder, open: no other process can open it meanwhile. */
export interface DataFolder extends AsyncDisposable {
  readonly path: string
  /** Of the file `nodekey`; its record's sequence number is in `nodekey.seq`, written through to the disk before it is used. */
  readonly identity: Identity
  /** In `datastore`: peers, and the nodes that discovery knows. */
  readonly datastore: NodeDb
}

/**
 * Opens a node's folder, and makes what is missing. The datastore's lock is taken first: one key never serves two nodes.
 *
 * @throws KumikoError `terminal/bad-data-folder`, `terminal/data-folder-locked`, `node-db/not-accessible`; of the key, as `identityFile`.
 * @param warn - Is told of a database that had to be moved aside, or cannot be written: one line.
 */
export async function openDataFolder(path: string, warn: (text: string) => void): Promise<DataFolder> {
  await makeFolder(path)
  const datastore = await openDatabase(path, warn)
  try {
    const identity = await identityFile(join(path, 'nodekey'))
    return { path, identity, datastore, [Symbol.asyncDispose]: () => datastore.close() }
  } catch (error) {
    await datastore.close()
    throw error
  }
}

/** Of its owner alone. */
async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
  } catch (cause) {
    const code = codeOf(cause) ?? String(cause)
    const message = `cannot make data folder "${path}" (${code === 'EEXIST' ? 'it is a file' : code}): choose another with --data-dir`
    throw new KumikoError('terminal/bad-data-folder', message, { context: { path }, cause })
  }
}

async function openDatabase(folder: string, warn: (text: string) => void): Promise<NodeDb> {
  const path = join(folder, 'datastore')
  try {
    return await openNodeDb({ path, logger: warningLogger(warn) })
  } catch (error) {
    if (!(error instanceof KumikoError) || error.code !== 'node-db/in-use') throw error
    const message = `data folder "${folder}" is in use by another process: stop that one, or choose another with --data-dir`
    throw new KumikoError('terminal/data-folder-locked', message, { context: { path }, cause: error })
  }
}

/** js-libp2p's logger, whose errors are shown besides: what happens to the database its owner has to hear of. */
function warningLogger(warn: (text: string) => void): ComponentLogger {
  const log = defaultLogger().forComponent('kumiko:node-db')
  const error = (text: string, ...args: unknown[]): void => {
    log.error(text, ...args)
    const shown = args.map((arg) => (arg instanceof Error ? arg.message : arg))
    warn(printable(format(text.replaceAll('%e', '%s'), ...shown)))
  }
  const both: Logger = Object.assign((text: unknown, ...args: unknown[]) => log(text, ...args), {
    enabled: true,
    trace: log.trace,
    error,
    newScope: (name: string) => log.newScope(name),
  })
  return { forComponent: () => both }
}
