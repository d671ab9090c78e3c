import { cp } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { PeerChannel } from '@kumiko/fabric-peer'
import { openEnvelope, readHeader } from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import type { DevPeer } from './dev-peer.ts'

/** Copies an orderer's blocks, which nobody writes meanwhile; what finds them in files is made anew. @param to - Made. */
export async function copyChain(from: string, to: string, channelId: string): Promise<void> {
  const filter = (path: string): boolean => !DERIVED.has(basename(path))
  await cp(join(from, channelId), join(to, channelId), { recursive: true, filter })
}

/** Folders of an orderer's channel: an index of its blocks, and the log of what is in none yet. */
const DERIVED: ReadonlySet<string> = new Set(['index', 'log'])

/**
 * Has a peer that began a channel go on as another one: with its private data, and its blocks, which come from the orderer.
 * @param before - The other peer's channel. Undefined where it does not run: then the private data is missing.
 * @param height - The number of blocks to wait for.
 */
export async function inherit(peer: DevPeer, before: PeerChannel | undefined, height: bigint): Promise<void> {
  const { channel } = peer
  if (before !== undefined) await keepPrivateData(before, channel)
  peer.gate.release()
  await reached(channel, height)
}

/** Waits until a channel has so many blocks. */
export async function reached(channel: Pick<PeerChannel, 'commits'>, height: bigint): Promise<void> {
  if (height === 0n) return
  for await (const _ of channel.commits(height - 1n)) return
}

/** As if the peer had endorsed the transactions: it compares hashes when their blocks come. */
async function keepPrivateData(before: PeerChannel, { transient }: PeerChannel): Promise<void> {
  for (let number = 1n; number < before.height; number++) {
    const sets = (await before.ledger.privateData.read(number)) ?? []
    const block = sets.length === 0 ? undefined : await before.ledger.blocks.block(number)
    for (const { transactionNumber, set } of sets) {
      const txId = txIdOf(block?.data[transactionNumber])
      if (txId !== undefined) await transient.persist(txId, 1n, { endorsedAt: 1n, set, collectionConfigs: new Map() })
    }
  }
}

function txIdOf(item: Uint8Array | undefined): string | undefined {
  if (item === undefined) return
  const payload = openEnvelope(item)
  const header = isFault(payload) ? payload : readHeader(payload)
  return isFault(header) ? undefined : header.channel.txId
}
