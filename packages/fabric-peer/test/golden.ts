import { join } from 'node:path'
import type { BlockSource } from '@kumiko/fabric-committer'
import type { TransientStore } from '@kumiko/fabric-ledger'
import { type LocalMsp, loadLocalMsp } from '@kumiko/fabric-msp'
import { type Block, readBlock, readPrivateReadWriteSet } from '@kumiko/fabric-protocol'
import { GOLDEN, GOLDEN_HEIGHT, goldenBlocks, goldenJson, ordererBlock } from '@kumiko/golden-channel'
import { must } from '@kumiko/testkit'

/** Who a recorded identity is: `peers/peer0.org1.example.com`, `users/Admin@org1.example.com`. */
export async function goldenMsp(name: string): Promise<LocalMsp> {
  return await loadLocalMsp(join(GOLDEN, 'crypto/peerOrganizations/org1.example.com', name, 'msp'), { mspId: 'Org1MSP' })
}

/** A block as the orderer delivered it. */
export function goldenBlock(number: number): Block {
  return must(readBlock(ordererBlock(number)))
}

/** A source of the recorded blocks, which then waits for ever, as one does whose channel goes on. */
export function goldenSource(height: number = GOLDEN_HEIGHT): BlockSource {
  return {
    blocks: async function* (from, { signal } = {}) {
      for (let number = Number(from); number < height; number++) yield { block: goldenBlock(number) }
      await new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve(), { once: true }))
    },
  }
}

/** Keeps all private data of the channel, as if this peer had endorsed it. */
export async function keepGoldenPrivateData(transient: TransientStore): Promise<void> {
  const { blocks } = goldenJson('private-data.json') as { readonly blocks: Readonly<Record<string, Readonly<Record<string, string>>>> }
  for (const [number, transactions] of Object.entries(blocks)) {
    for (const [index, bytes] of Object.entries(transactions)) {
      const set = must(readPrivateReadWriteSet(new Uint8Array(Buffer.from(bytes, 'base64'))))
      const txId = goldenBlocks()[Number(number)]?.txs[Number(index)]?.txId ?? ''
      await transient.persist(txId, BigInt(number), { endorsedAt: BigInt(number), set, collectionConfigs: new Map() })
    }
  }
}

/** The hash of the last block that the real peer committed, in hex. */
export function goldenCommitHash(number: number = GOLDEN_HEIGHT - 1): string | null | undefined {
  return goldenBlocks()[number]?.commitHash
}
