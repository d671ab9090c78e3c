import { levelStateDatabase, memoryStateDatabase } from '@kumiko/fabric-ledger'
import { readCommitHash, readTransactionsFilter, toHex } from '@kumiko/fabric-protocol'
import { GOLDEN_HEIGHT, goldenBlocks } from '@kumiko/golden-channel'
import { isFault } from '@kumiko/interface'
import { describe, expect, it } from 'vitest'
import { Channel } from '../src/channel.ts'
import { expectedState, goldenBlock, goldenSource, shownState, temporaryLedger } from './golden.ts'

const databases = { memory: memoryStateDatabase, LevelDB: levelStateDatabase }
const cases = (['memory', 'LevelDB'] as const).flatMap((state) => [0, 1, 2].map((workers) => ({ state, workers })))

describe('the recorded channel', () => {
  it.each(cases)(
    'is validated and committed as the real peer did, with its state in $state and $workers workers',
    async ({ state, workers }) => {
      await using ledger = await temporaryLedger(databases[state]())
      const channel = await Channel.open({ ledger, workers })
      expect(await channel.run(goldenSource())).toBeUndefined()
      const found: { number: number; txFilter: string; commitHash: string | null }[] = []
      for await (const block of ledger.blocks.blocks()) {
        const hash = readCommitHash(block)
        found.push({
          number: Number(block.header.number),
          txFilter: toHex(readTransactionsFilter(block) ?? new Uint8Array()),
          commitHash: hash === undefined || isFault(hash) ? null : toHex(hash),
        })
      }
      expect(found).toEqual(goldenBlocks().map(({ number, txFilter, commitHash }) => ({ number, txFilter, commitHash })))
      expect(await shownState(ledger.state.entries(), (namespace) => !namespace.includes('$$'))).toEqual(expectedState('state'))
      expect(await shownState(ledger.state.entries(), (namespace) => namespace.includes('$$h'))).toEqual(
        expectedState('privateStateHashes'),
      )
      expect(channel.bundle.orderer?.batchSize.maxMessageCount).toBe(20)
      await channel.close()
    },
  )

  it('goes on where a ledger ends', async () => {
    await using ledger = await temporaryLedger(memoryStateDatabase())
    const first = await Channel.open({ ledger })
    expect(await first.run(goldenSource(30))).toBeUndefined()
    await first.close()
    const second = await Channel.open({ ledger })
    expect(await second.run(goldenSource())).toBeUndefined()
    expect(second.height).toBe(BigInt(GOLDEN_HEIGHT))
    expect(toHex(ledger.info.commitHash ?? new Uint8Array())).toBe(goldenBlocks().at(-1)?.commitHash)
    await second.close()
  })

  it('can be taken block by block', async () => {
    await using ledger = await temporaryLedger(memoryStateDatabase())
    const channel = await Channel.open({ ledger })
    for (const { number, txFilter } of goldenBlocks().slice(1, 12)) {
      const stored = await channel.store(goldenBlock(number))
      expect(isFault(stored) ? stored : toHex(stored.codes)).toBe(txFilter)
    }
    await channel.close()
  })
})
