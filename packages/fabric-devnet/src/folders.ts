import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { ownFolder } from '@kumiko/fabric-peer/folders'

/** What is begun first in a network's folder. */
const NODES = 'nodes'

/** Where a network's files are. */
export interface NetworkFolders {
  readonly root: string
  /** Of the orderer. */
  readonly orderer: string
  /** Of a peer. @param name - `peer0.org1.example.com`. */
  peer(name: string): string
  /** Removes all, where it is there for this process alone. */
  dispose(): Promise<void>
}

/** Temporary folders of networks that run: bounded by those. A process that ends without stopping its networks removes them, too. */
const temporary = new Set<string>()

/**
 * @param folder - A network's own; default: a temporary one, that goes with the network.
 * @throws KumikoError `fabric-peer/bad-folder` where it has other files.
 */
export async function networkFolders(folder: string | undefined): Promise<NetworkFolders> {
  const root = folder === undefined ? await makeTemporary() : resolve(folder)
  if (folder !== undefined) await ownFolder(root, { name: 'a development network', mark: NODES })
  return {
    root,
    orderer: join(root, NODES, 'orderer'),
    peer: (name) => join(root, NODES, name),
    dispose: async () => {
      if (folder !== undefined) return
      await rm(root, { recursive: true, force: true, maxRetries: 3 })
      temporary.delete(root)
      if (temporary.size === 0) process.off('exit', removeAll)
    },
  }
}

async function makeTemporary(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'kumiko-devnet-'))
  if (temporary.size === 0) process.on('exit', removeAll)
  temporary.add(root)
  return root
}

function removeAll(): void {
  for (const root of temporary) rmSync(root, { recursive: true, force: true })
}
