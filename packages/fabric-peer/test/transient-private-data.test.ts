import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readClaimedSet, TransientStore } from '@kumiko/fabric-ledger'
import { ValidationCode } from '@kumiko/fabric-protocol'
import { expect, it } from 'vitest'
import { keptPrivateData } from '../src/transient-private-data.ts'
import { goldenBlock, keepGoldenPrivateData } from './golden.ts'

it('finds what invalid transactions wrote too, and lets an id go only where its transaction was looked at', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'kumiko-transient-'))
  const transient = await TransientStore.open(folder)
  await keepGoldenPrivateData(transient)
  const block = goldenBlock(28)
  const set = readClaimedSet(block.data[0] ?? new Uint8Array())
  const found = async (code: number, isRead: boolean) => {
    const { data, txIds } = await keptPrivateData({ block, transactions: [{ code, set: isRead ? set : undefined }] }, transient)
    const collections = data.flatMap(({ set }) => set.namespaces.flatMap(({ collections }) => collections))
    return [collections.map(({ collection }) => collection), txIds.length]
  }
  expect(await found(ValidationCode.valid, true)).toEqual([['secret'], 1])
  expect(await found(ValidationCode.endorsementPolicyFailure, true)).toEqual([['secret'], 1])
  // It may bear the id of another.
  expect(await found(ValidationCode.badProposalTxid, false)).toEqual([['secret'], 0])
  const twice = { ...block, data: [...block.data, ...block.data] }
  const { data } = await keptPrivateData({ block: twice, transactions: [] }, transient)
  expect(data.map(({ transactionNumber }) => transactionNumber)).toEqual([0, 1])
  expect(data[0]?.set).toBe(data[1]?.set)
  await transient.close()
  await rm(folder, { recursive: true })
})
