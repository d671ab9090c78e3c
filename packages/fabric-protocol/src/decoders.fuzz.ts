import { GOLDEN_HEIGHT, peerBlock } from '@kumiko/golden-channel'
import { isFault } from '@kumiko/interface'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { readBlock, writeBlock } from './block.ts'
import { readBlockSignatures, readCommitHash, readLastConfigIndex } from './block-metadata.ts'
import { readBlockRecord, writeBlockRecord } from './block-record.ts'
import { checkTransactionsForm, Envelope, readEnvelope, readPayload, readTransactionHeader } from './envelope.ts'
import { decodeOrderPreservingVarint, encodeOrderPreservingVarint } from './order-preserving-varint.ts'
import { readHeaderExtension, readProposal } from './proposal.ts'
import { readReadWriteSet } from './read-write-set.ts'
import { readChaincodeAction, readEndorserTransaction } from './transaction.ts'

const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })

it('order-preserving varints order as their numbers do, and come back', () => {
  fc.assert(
    fc.property(fc.oneof(u64, fc.bigInt({ min: 0n, max: 70_000n })), u64, (a, b) => {
      const [left, right] = [encodeOrderPreservingVarint(a), encodeOrderPreservingVarint(b)]
      expect(Buffer.compare(left, right)).toBe(a < b ? -1 : a > b ? 1 : 0)
      expect(decodeOrderPreservingVarint(left)).toEqual({ value: a, next: left.length })
    }),
    { numRuns: 2000 },
  )
})

/** All that is read of a transaction, down to where it breaks. */
function readAll(item: Uint8Array): string {
  const envelope = readEnvelope(item)
  if (isFault(envelope)) return envelope.fault
  expect(readEnvelope(Envelope.encode(envelope))).toEqual(envelope)
  const payload = readPayload(envelope.payload)
  if (isFault(payload)) return payload.fault
  const header = readTransactionHeader(payload)
  if (isFault(header)) return header.fault
  const extension = readHeaderExtension(header.channel)
  if (isFault(extension)) return extension.fault
  const transaction = readEndorserTransaction(payload)
  if (isFault(transaction)) return transaction.fault
  const action = readChaincodeAction(transaction.responsePayload)
  if (isFault(action)) return action.fault
  const set = readReadWriteSet(action.results)
  return isFault(set) ? set.fault : 'whole'
}

it('real blocks with bits flipped or an end cut are read to a value or a fault', () => {
  const ends = new Set<string>()
  fc.assert(
    fc.property(fc.integer({ min: 0, max: GOLDEN_HEIGHT - 1 }), fc.nat(), fc.nat({ max: 7 }), fc.boolean(), (number, at, bit, isCut) => {
      const bytes = peerBlock(number)
      const place = at % bytes.length
      bytes[place] = (bytes[place] ?? 0) ^ (1 << bit)
      const block = readBlock(isCut ? bytes.subarray(0, place) : bytes)
      if (isFault(block)) {
        ends.add(block.fault)
        return
      }
      expect(readBlock(writeBlock(block))).toEqual(block)
      for (const read of [
        readBlockSignatures(block),
        readLastConfigIndex(block),
        readCommitHash(block),
        checkTransactionsForm(block.data),
      ]) {
        if (isFault(read)) ends.add(read.fault)
      }
      for (const item of block.data) ends.add(readAll(item))
      expect(readBlockRecord(writeBlockRecord(block).bytes)).toMatchObject({ block })
    }),
    { numRuns: 1500, seed: 5 },
  )
  for (const end of ['whole', 'fabric-protocol/bad-block', 'fabric-protocol/bad-transaction', 'fabric-protocol/bad-common-header']) {
    expect(ends).toContain(end)
  }
})

it('any bytes are a record, a proposal, or a fault', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 50 }), (bytes) => {
      const record = readBlockRecord(bytes)
      if (!isFault(record) && 'block' in record) expect(record.next).toBeLessThanOrEqual(bytes.length)
      const proposal = readProposal(bytes)
      if (isFault(proposal)) expect(proposal.fault).toBe('fabric-protocol/bad-proposal')
      readAll(bytes)
    }),
    { numRuns: 2000 },
  )
})
