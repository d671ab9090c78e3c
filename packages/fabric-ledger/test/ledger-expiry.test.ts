import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type CollectionPolicies, Ledger, type LedgerOptions, privateNamespace, readTransactionSet } from '@kumiko/fabric-ledger'
import type { Block } from '@kumiko/fabric-protocol'
import { describe, expect, it } from 'vitest'
import { good, peerBlocks, withFolder } from './golden.ts'
import { goldenCommit, goldenPolicies } from './golden-commits.ts'

const genesis = peerBlocks[0] as Block
/** It writes s2, which no later block writes before it is gone. */
const WRITTEN = 28
const EXPIRING = WRITTEN + 2 + 1
const KEY = [{ namespace: privateNamespace('golden', 'secret'), key: 's2' }]
const policies: CollectionPolicies = { ...goldenPolicies, blockToLive: async () => 2n }

async function commitTo(ledger: Ledger, height: number): Promise<void> {
  while (ledger.info.height < height) await ledger.commit(goldenCommit(Number(ledger.info.height)))
}

describe('private data that expires', () => {
  it('goes, though it came late, and a loss of power took it out of the state and the schedule with it', async () => {
    await withFolder(async (folder) => {
      const options: LedgerOptions = { folder: join(folder, 'ledger'), channelId: 'mychannel', policies: () => policies }
      const first = await Ledger.create({ ...options, genesis })
      await commitTo(first, WRITTEN)
      const { privateData: given = [], ...commit } = goldenCommit(WRITTEN)
      await first.commit(commit)
      await first.close()
      const old = join(folder, 'old')
      await cp(join(options.folder, 'state'), old, { recursive: true })

      const second = await Ledger.open(options)
      const [at] = await second.privateData.missing({ blocks: 1 })
      const set = given[0]?.set.namespaces[0]?.collections[0]
      const sets = good(readTransactionSet(commit.block.data[0] ?? new Uint8Array()) ?? { fault: 'no set' })
      const expected = sets.namespaces.flatMap(({ collections }) => collections).find(({ collection }) => collection === 'secret')
      if (at === undefined || set === undefined) throw new Error('there is none')
      expect((await second.reconcile([{ ...at, set, expected }])).stored).toHaveLength(1)
      await second.close()

      for (const name of ['state', 'expiry']) await rm(join(options.folder, name), { recursive: true })
      await cp(old, join(options.folder, 'state'), { recursive: true })
      const third = await Ledger.open(options)
      expect(await third.state.getMany(KEY)).toMatchObject([{ version: { blockNumber: BigInt(WRITTEN) } }])
      await commitTo(third, EXPIRING)
      expect(await third.state.getMany(KEY)).not.toEqual([undefined])
      await commitTo(third, EXPIRING + 1)
      expect(await third.state.getMany(KEY)).toEqual([undefined])
      await third.close()
    })
  })

  it('lives as long as the definition says that was committed before its block', async () => {
    await withFolder(async (folder) => {
      const asked: bigint[] = []
      const asking: LedgerOptions['policies'] = (state) => ({
        ...policies,
        blockToLive: async () => {
          asked.push(state.height)
          return 2n
        },
      })
      const ledger = await Ledger.create({ folder: join(folder, 'ledger'), channelId: 'mychannel', policies: asking, genesis })
      await commitTo(ledger, WRITTEN)
      asked.length = 0
      await commitTo(ledger, WRITTEN + 1)
      expect(asked.length).toBeGreaterThan(1)
      expect(new Set(asked)).toEqual(new Set([BigInt(WRITTEN)]))
      await ledger.close()
    })
  })
})
