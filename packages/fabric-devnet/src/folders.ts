import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

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

/** @param folder - A network's own; default: a temporary one, that goes with the network. */
export async function networkFolders(folder: string | undefined): Promise<NetworkFolders> {
  const root = folder === undefined ? await mkdtemp(join(tmpdir(), 'kumiko-devnet-')) : resolve(folder)
  return {
    root,
    orderer: join(root, 'nodes', 'orderer'),
    peer: (name) => join(root, 'nodes', name),
    dispose: async () => {
      if (folder === undefined) await rm(root, { recursive: true, force: true, maxRetries: 3 })
    },
  }
}
