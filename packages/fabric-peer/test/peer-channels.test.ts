import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BlockSource } from '@kumiko/fabric-committer'
import { memoryStateDatabase } from '@kumiko/fabric-ledger'
import { readCommitHash, toHex } from '@kumiko/fabric-protocol'
import { GOLDEN_HEIGHT } from '@kumiko/golden-channel'
import { systemClock } from '@kumiko/interface'
import { must } from '@kumiko/testkit'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { channelMetrics } from '../src/channel-metrics.ts'
import type { PeerChannel } from '../src/peer-channel.ts'
import { PeerChannels } from '../src/peer-channels.ts'
import { peerFolders, unsyncedFileSystem } from '../src/peer-folders.ts'
import { goldenBlock, goldenCommitHash, goldenMsp, goldenSource, keepGoldenPrivateData } from './golden.ts'

let folder = ''

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kumiko-peer-'))
})

afterEach(async () => await rm(folder, { recursive: true, force: true }))

async function open(source: BlockSource | undefined): Promise<PeerChannels> {
  const { creator: self } = await goldenMsp('peers/peer0.org1.example.com')
  return await PeerChannels.open({
    folders: peerFolders(folder),
    fileSystem: unsyncedFileSystem,
    openState: () => memoryStateDatabase(),
    history: true,
    self,
    source: source && (() => source),
    workers: 0,
    transientRetentionBlocks: 1000n,
    onCommit: undefined,
    clock: systemClock,
    logger: undefined,
    metrics: channelMetrics(undefined),
  })
}

async function reached(channel: PeerChannel, height: number): Promise<void> {
  for await (const { number } of channel.commits(BigInt(height - 1))) if (number === BigInt(height - 1)) return
}

async function commitHashOf(channel: PeerChannel, number: number): Promise<string> {
  return toHex(must(readCommitHash(must(await channel.ledger.blocks.block(BigInt(number))))))
}

describe('the channels of a peer', () => {
  it('take blocks from their source, with the private data that was kept when it was endorsed', async () => {
    const channels = await open(goldenSource())
    const channel = await channels.join(goldenBlock(0))
    await keepGoldenPrivateData(channel.transient)
    channels.start()
    await reached(channel, GOLDEN_HEIGHT)
    expect(await commitHashOf(channel, GOLDEN_HEIGHT - 1)).toBe(goldenCommitHash())
    const missing = await channel.ledger.privateData.missing({ blocks: 100 })
    // Of these the recording has empty sets: the real peer had purged them.
    expect(missing.map(({ blockNumber }) => blockNumber)).toEqual([35n, 32n, 27n])
    const stored = await channel.ledger.privateData.read(34n)
    expect(stored?.map(({ transactionNumber }) => transactionNumber)).toEqual([0])
    await channels.close()
    // Nothing of it is kept for longer.
    const again = await open(undefined)
    expect(await again.get('mychannel')?.transient.minimumHeight()).toBeUndefined()
    await again.close()
  })

  it('record what private data is missing, and go on', async () => {
    const channels = await open(goldenSource(36))
    channels.start()
    const channel = await channels.join(goldenBlock(0))
    await reached(channel, 36)
    expect(await commitHashOf(channel, 35)).toBe(goldenCommitHash(35))
    const missing = await channel.ledger.privateData.missing({ blocks: 100 })
    expect(missing.map(({ blockNumber }) => blockNumber)).toEqual([35n, 34n, 32n, 28n, 27n, 1n])
    await channels.close()
  })

  it('are open again with their blocks after the peer was closed, in the middle of a block too', async () => {
    const first = await open(goldenSource())
    first.start()
    const channel = await first.join(goldenBlock(0))
    await reached(channel, 5)
    await first.close()
    const second = await open(goldenSource())
    expect(second.names).toEqual(['mychannel'])
    const found = must(second.get('mychannel'))
    expect(found.height).toBeGreaterThanOrEqual(5n)
    second.start()
    await reached(found, GOLDEN_HEIGHT)
    expect(await commitHashOf(found, GOLDEN_HEIGHT - 1)).toBe(goldenCommitHash())
    await second.close()
  })

  it('are joined once, by a block 0 or a snapshot', async () => {
    const channels = await open(undefined)
    await expect(channels.join(goldenBlock(1))).rejects.toMatchObject({ code: 'fabric-peer/bad-genesis' })
    await Promise.all([
      channels.join(goldenBlock(0)),
      expect(channels.join(goldenBlock(0))).rejects.toMatchObject({ code: 'fabric-peer/already-joined' }),
    ])
    await channels.close()
  })

  it('take the snapshots that were asked for, and can be joined by them', async () => {
    const channels = await open(goldenSource())
    const channel = await channels.join(goldenBlock(0))
    await channel.snapshots.submit(30n, channel.height)
    channels.start()
    await reached(channel, GOLDEN_HEIGHT)
    await channels.close()
    const path = join(folder, 'snapshots', 'completed', 'mychannel', '30')
    expect(await readdir(path)).toContain('_snapshot_signable_metadata.json')
    await rm(join(folder, 'ledgers'), { recursive: true })
    const joined = await open(goldenSource())
    joined.start()
    const other = await joined.joinSnapshot(path)
    expect(other.height).toBeGreaterThanOrEqual(31n)
    await reached(other, GOLDEN_HEIGHT)
    expect(await commitHashOf(other, GOLDEN_HEIGHT - 1)).toBe(goldenCommitHash())
    await joined.close()
  })

  it('ask a source again that refuses or breaks, until it brings the next block', async () => {
    let asked = 0
    const source: BlockSource = {
      blocks: async function* (from, options) {
        asked++
        if (asked === 1) throw new Error('no')
        if (asked === 2) yield { block: goldenBlock(7) }
        else yield* goldenSource(3).blocks(from, options)
      },
    }
    const channels = await open(source)
    channels.start()
    const channel = await channels.join(goldenBlock(0))
    await reached(channel, 3)
    expect(asked).toBe(3)
    await channels.close()
  })
})
