import { readBlock } from '@kumiko/fabric-protocol'
import { goldenBlocks, ordererBlock, peerBlock } from '@kumiko/golden-channel'
import { isFault } from '@kumiko/interface'
import { describe, expect, it } from 'vitest'
import { type BlockSummary, summarizeBlock } from './block-summary.ts'

const summaryOf = (bytes: Uint8Array): BlockSummary => {
  const block = readBlock(bytes)
  if (isFault(block)) throw new Error(block.detail)
  return summarizeBlock(block)
}

describe('summarizeBlock', () => {
  it('says of recorded blocks what the real peer made of them', () => {
    for (const { number, headerHash, txs } of goldenBlocks()) {
      const { hash, transactions } = summaryOf(peerBlock(number))
      expect(hash).toBe(headerHash)
      expect(transactions.map(({ validation }) => validation)).toEqual(txs.map(({ validationName }) => validationName))
    }
  })

  it('says what a transaction was about', () => {
    const calls = goldenBlocks().flatMap(({ number }) => summaryOf(peerBlock(number)).transactions.map(({ call }) => call))
    expect(calls.filter((call) => call?.chaincode === '_lifecycle').map((call) => call?.function)).toContain('CommitChaincodeDefinition')
    expect(calls.find((call) => call?.event !== undefined)).toMatchObject({ chaincode: 'golden', endorsers: ['Org1MSP'] })
  })

  it('knows no validation of a block that only was ordered', () => {
    expect(summaryOf(ordererBlock(5)).transactions.map(({ validation }) => validation)).toEqual([undefined])
  })
})
