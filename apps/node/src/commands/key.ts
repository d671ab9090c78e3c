import { rename, rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { createIdentity, generateSecretKey, saveKeyFile, toHex } from '@kumiko/identity'
import type { Identity } from '@kumiko/interface'
import type { Command } from 'commander'
import { listing } from '../output.ts'
import { identityOf } from './arguments.ts'
import { outputOf, report } from './context.ts'
import { examples } from './examples.ts'

/** `kumiko key …`. */
export function addKeyCommand(program: Command): void {
  const key = program.command('key').description('Make and show node keys.')
  addNew(key)
  addInspect(key)
  examples(key, ['kumiko key new --out data/nodekey', 'kumiko key inspect data/nodekey'])
}

function addNew(key: Command): void {
  const command = key
    .command('new')
    .description('Make a node key and save it, with mode 0600. A file that is there is kept.')
    .option('--out <file>', 'where to', 'nodekey')
    .option('--force', 'replace the file that is there; its key is lost')
    .action(async ({ out, force = false }: { readonly out: string; readonly force?: boolean }, self: Command) => {
      const secretKey = generateSecretKey()
      await save(resolve(out), secretKey, force)
      const fields = { file: resolve(out), ...publicFields(await createIdentity({ secretKey })) }
      report(outputOf(self), fields, listing(Object.entries(fields)))
    })
  examples(command, ['kumiko key new', 'kumiko key new --out data/nodekey', 'kumiko key new --out data/nodekey --force'])
}

/** With `isForced` the new file takes an old one's place in one step. */
async function save(path: string, secretKey: Uint8Array, isForced: boolean): Promise<void> {
  if (!isForced) return await saveKeyFile(path, secretKey)
  const fresh = `${path}.${process.pid}.new`
  await saveKeyFile(fresh, secretKey)
  try {
    await rename(fresh, path)
  } catch (cause) {
    await rm(fresh, { force: true })
    throw cause
  }
}

function addInspect(key: Command): void {
  const command = key
    .command('inspect')
    .description('Show what a node key stands for. The secret is not shown.')
    .argument('<key>', 'a key file, 64 hex digits, or - for stdin')
    .option('--secret', 'show the secret, too')
    .action(async (argument: string, { secret = false }: { readonly secret?: boolean }, self: Command) => {
      const identity = await identityOf(argument)
      const fields = { ...publicFields(identity), ...(secret ? { secretKey: toHex(identity.secretKey) } : {}) }
      report(outputOf(self), fields, listing(Object.entries(fields)))
    })
  examples(command, ['kumiko key inspect data/nodekey', 'kumiko key inspect data/nodekey --json', 'kumiko key inspect - < data/nodekey'])
}

function publicFields({ nodeId, publicKey, peerId, enode }: Identity): Readonly<Record<string, string>> {
  return { nodeId, publicKey: toHex(publicKey), peerId: peerId.toString(), enode }
}
