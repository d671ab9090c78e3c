import { goldenFile } from '@kumiko/golden-channel'
import { isFault } from '@kumiko/interface'
import { describe, expect, it } from 'vitest'
import { type Block, readBlock } from './block.ts'
import { readBlockRecord, writeBlockRecord } from './block-record.ts'
import { concatBytes } from './hash.ts'

const block: Block = {
  header: { number: 300n, previousHash: Uint8Array.of(1), dataHash: Uint8Array.of(2, 2) },
  data: [Uint8Array.of(9, 9, 9), new Uint8Array()],
  metadata: [Uint8Array.of(8)],
}
const { bytes, transactions } = writeBlockRecord(block)

describe('records', () => {
  it('have Fabric’s format', () => {
    expect(Buffer.from(bytes).toString('hex')).toBe('10' + 'ac02' + '020202' + '0101' + '02' + '03090909' + '00' + '01' + '0108')
    expect(transactions).toEqual([
      { offset: 10, length: 3 },
      { offset: 14, length: 0 },
    ])
    expect(readBlockRecord(bytes)).toEqual({ block, transactions, next: bytes.length })
  })

  it('tell a torn tail from a whole file, wherever it is torn', () => {
    const whole = concatBytes([bytes, bytes])
    expect(readBlockRecord(whole, bytes.length)).toMatchObject({ next: whole.length })
    for (let size = bytes.length + 1; size < whole.length; size++) {
      expect(readBlockRecord(whole.subarray(0, size), bytes.length)).toEqual({ end: 'torn', offset: bytes.length })
    }
    expect(readBlockRecord(bytes, bytes.length)).toEqual({ end: 'complete' })
    expect(readBlockRecord(concatBytes([bytes, new Uint8Array(100)]), bytes.length)).toEqual({ end: 'complete' })
  })

  it.each([
    ['a length beyond 64 bits', 'ff'.repeat(11)],
    ['a part beyond the record', '04' + '0105' + '0000'],
    ['more transactions than bytes', '06' + '010000' + 'ffff03'],
    ['bytes after the metadata', '06' + '01' + '0000' + '00' + '00' + '00'],
  ])('are refused with %s', (_, hex) => {
    expect(readBlockRecord(Uint8Array.from(Buffer.from(hex, 'hex')))).toMatchObject({ fault: 'fabric-protocol/bad-block-record' })
  })
})

it('the genesis block is block 0 without a peer’s metadata', () => {
  const genesis = readBlock(goldenFile('mychannel.block'))
  if (isFault(genesis)) throw new Error(genesis.detail)
  expect(genesis.header.number).toBe(0n)
  expect(readBlock(Uint8Array.of(0x12, 0))).toMatchObject({ detail: 'it has no header' })
  expect(readBlock(Uint8Array.of(0x0a, 0))).toMatchObject({ detail: 'it has no data' })
  expect(readBlock(Uint8Array.of(0x0a, 9))).toMatchObject({ fault: 'fabric-protocol/bad-block' })
})
