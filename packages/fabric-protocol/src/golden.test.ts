import { GOLDEN_HEIGHT, goldenBlocks, goldenJson, ordererBlock, peerBlock } from '@kumiko/golden-channel'
import { type Fault, isFault } from '@kumiko/interface'
import { describe, expect, it } from 'vitest'
import { type Block, BlockMetadataIndex, checkBlock, readBlock, withMetadata, writeBlock } from './block.ts'
import { type BlockHeader, blockHash, dataHash } from './block-header.ts'
import { readBlockSignatures, readCommitHash, readLastConfigIndex, readTransactionsFilter, writeCommitHash } from './block-metadata.ts'
import { readBlockRecord, writeBlockRecord } from './block-record.ts'
import { commitHash, type NamespaceUpdates, type Update, updateBytes } from './commit-hash.ts'
import { checkTransactionsForm, Envelope, Payload, readEnvelope, readPayload, readTransactionHeader } from './envelope.ts'
import { concatBytes, sha256 } from './hash.ts'
import { ChannelHeader, HeaderType, SignatureHeader, transactionId } from './header.ts'
import { toHex } from './hex.ts'
import { readHeaderExtension } from './proposal.ts'
import {
  isDeletion,
  isHashedDeletion,
  type ReadWriteSet,
  readPrivateReadWriteSet,
  readReadWriteSet,
  writePrivateReadWriteSet,
  writeReadWriteSet,
} from './read-write-set.ts'
import { ChaincodeAction, readChaincodeAction, readEndorserTransaction } from './transaction.ts'
import { ValidationCode, validationCodeName } from './validation-code.ts'

/** The value, which must not be a fault. */
function good<T>(value: T | Fault): T {
  if (isFault(value)) throw new Error(`${value.fault}: ${value.detail}`)
  return value
}

const peers = Array.from({ length: GOLDEN_HEIGHT }, (_, number) => good(readBlock(peerBlock(number))))
const orderers = Array.from({ length: GOLDEN_HEIGHT }, (_, number) => good(readBlock(ordererBlock(number))))

/** The read-write set of an endorser transaction, or why there is none. */
function resultsOf(item: Uint8Array): { readonly set: ReadWriteSet; readonly bytes: Uint8Array } | Fault {
  const payload = readPayload(good(readEnvelope(item)).payload)
  if (isFault(payload)) return payload
  const header = readTransactionHeader(payload)
  if (isFault(header)) return header
  if (header.channel.type !== HeaderType.endorserTransaction) return { fault: 'no endorser transaction' }
  const transaction = readEndorserTransaction(payload)
  if (isFault(transaction)) return transaction
  const action = readChaincodeAction(transaction.responsePayload)
  if (isFault(action)) return action
  const set = readReadWriteSet(action.results)
  return isFault(set) ? set : { set, bytes: action.results }
}

describe.each([
  ['peer', peers, peerBlock],
  ['orderer', orderers, ordererBlock],
])('blocks of the %s', (_, blocks, bytesOf) => {
  it('are written as they were read', () => {
    for (const [number, block] of blocks.entries()) expect(writeBlock(block)).toEqual(bytesOf(number))
  })

  it('have the hashes that the real peer gave them', () => {
    const seen = blocks.map(({ header, data }) => ({ headerHash: toHex(blockHash(header)), dataHash: toHex(dataHash(data)) }))
    expect(seen).toEqual(goldenBlocks().map(({ headerHash, dataHash }) => ({ headerHash, dataHash })))
  })

  it('follow each other, and no other way', () => {
    let previous: BlockHeader | undefined
    for (const block of blocks) {
      expect(checkBlock(block, previous)).toBeUndefined()
      previous = block.header
    }
    const [zero, one] = blocks as [Block, Block]
    expect(checkBlock(one, undefined)).toMatchObject({ fault: 'fabric-protocol/bad-block-number' })
    expect(checkBlock(one, { ...zero.header, dataHash: new Uint8Array(32) })).toMatchObject({ fault: 'fabric-protocol/bad-previous-hash' })
    expect(checkBlock({ ...one, data: [new Uint8Array()] }, zero.header)).toMatchObject({ fault: 'fabric-protocol/bad-data-hash' })
  })

  it('name the configuration that holds', () => {
    expect(blocks.map((block) => readLastConfigIndex(block))).toEqual(blocks.map((_, number) => (number < 52 ? 0n : 52n)))
  })

  it('survive as records of a block file', () => {
    const records = blocks.map((block) => writeBlockRecord(block))
    const file = concatBytes(records.map(({ bytes }) => bytes))
    let offset = 0
    for (const block of blocks) {
      const record = good(readBlockRecord(file, offset))
      if (!('block' in record)) throw new Error(record.end)
      expect(record.block).toEqual(block)
      expect(record.transactions.map((span) => file.slice(span.offset, span.offset + span.length))).toEqual(block.data)
      offset = record.next
    }
    expect(readBlockRecord(file, offset)).toEqual({ end: 'complete' })
  })

  it('are signed by one orderer each, but block 0', () => {
    for (const [number, block] of blocks.entries()) {
      const signatures = good(readBlockSignatures(block))
      expect(signatures.map(({ signer }) => signer.by)).toEqual(number === 0 ? [] : ['identity'])
    }
  })
})

describe('metadata that the peer adds', () => {
  it('are the validation codes and the commit hash', () => {
    for (const [number, expected] of goldenBlocks().entries()) {
      const [peer, orderer] = [peers[number] as Block, orderers[number] as Block]
      expect(toHex(readTransactionsFilter(peer) ?? new Uint8Array())).toBe(expected.txFilter)
      expect(readTransactionsFilter(orderer)).toBeUndefined()
      const hash = good(readCommitHash(peer))
      expect(hash === undefined ? null : toHex(hash)).toBe(expected.commitHash)
      expect(readCommitHash(orderer)).toBeUndefined()
      const filtered = withMetadata(orderer, BlockMetadataIndex.transactionsFilter, readTransactionsFilter(peer) ?? new Uint8Array())
      const again = hash === undefined ? filtered : withMetadata(filtered, BlockMetadataIndex.commitHash, writeCommitHash(hash))
      expect(writeBlock(again)).toEqual(peerBlock(number))
    }
  })
})

describe('transactions', () => {
  /** All but block 0, which nobody signed and nobody validates. */
  const all = goldenBlocks()
    .slice(1)
    .flatMap(({ number, txs }) => txs.map((tx) => ({ number, ...tx, item: (peers[number] as Block).data[tx.index] as Uint8Array })))

  it('are well formed, and written as they were read', () => {
    // Block 0 is not asked: its configuration has no signature.
    for (const { data } of peers.slice(1)) expect(checkTransactionsForm(data)).toBeUndefined()
    expect(checkTransactionsForm(peers[0]?.data ?? [])).toMatchObject({ detail: 'transaction 0: the signature is empty' })
    for (const { item } of all) expect(Envelope.encode(good(readEnvelope(item)))).toEqual(item)
  })

  it('fail at the level that the real peer found', () => {
    const codeOf: Record<string, number> = {
      'fabric-protocol/bad-payload': ValidationCode.badPayload,
      'fabric-protocol/bad-common-header': ValidationCode.badCommonHeader,
      'fabric-protocol/bad-transaction': ValidationCode.invalidEndorserTransaction,
    }
    const structural = new Set(Object.values(codeOf))
    for (const { item, validationCode, validationName } of all) {
      const found = resultsOf(item)
      const code = isFault(found) ? codeOf[found.fault] : undefined
      if (structural.has(validationCode)) expect(code).toBe(validationCode)
      else if (validationCode === ValidationCode.valid) expect(code).toBeUndefined()
      expect(validationCodeName(validationCode)).toBe(validationName)
    }
    expect(new Set(all.map(({ validationCode }) => validationCode))).toContain(ValidationCode.invalidEndorserTransaction)
  })

  it('have the ids that their nonce and creator make, unless that is what is wrong with them', () => {
    let checked = 0
    for (const { item, txId, type, validationCode } of all) {
      if (type !== HeaderType.endorserTransaction) continue
      const payload = readPayload(good(readEnvelope(item)).payload)
      const header = isFault(payload) ? payload : readTransactionHeader(payload)
      if (isFault(header)) continue
      expect(header.channel.txId).toBe(txId)
      expect(transactionId(header.signature) === txId).toBe(validationCode !== ValidationCode.badProposalTxid)
      expect(good(readHeaderExtension(header.channel)).chaincodeId?.name).toMatch(/^(golden|_lifecycle)$/)
      checked++
    }
    expect(checked).toBeGreaterThan(60)
  })

  it('have headers, actions and read-write sets that are written as they were read', () => {
    let checked = 0
    for (const { item, validationCode } of all) {
      const payloadBytes = good(readEnvelope(item)).payload
      const results = resultsOf(item)
      if (isFault(results)) {
        expect(results.fault === 'no endorser transaction' || validationCode !== ValidationCode.valid).toBe(true)
        continue
      }
      const payload = good(readPayload(payloadBytes))
      const header = good(readTransactionHeader(payload))
      const { responsePayload } = good(readEndorserTransaction(payload))
      expect(Payload.encode(payload)).toEqual(payloadBytes)
      expect(ChannelHeader.encode(header.channel)).toEqual(header.bytes.channelHeader)
      expect(SignatureHeader.encode(header.signature)).toEqual(header.bytes.signatureHeader)
      expect(ChaincodeAction.encode(good(readChaincodeAction(responsePayload)))).toEqual(responsePayload.extension)
      expect(writeReadWriteSet(results.set)).toEqual(results.bytes)
      checked++
    }
    expect(checked).toBeGreaterThan(60)
  })
})

it('private write sets hash to what the transactions say', () => {
  const { blocks } = goldenJson('private-data.json') as { readonly blocks: Record<string, Record<string, string>> }
  let hashed = 0
  for (const [number, transactions] of Object.entries(blocks)) {
    for (const [index, base64] of Object.entries(transactions)) {
      const bytes = Uint8Array.from(Buffer.from(base64, 'base64'))
      const set = good(readPrivateReadWriteSet(bytes))
      expect(writePrivateReadWriteSet(set)).toEqual(bytes)
      const { set: open } = good(resultsOf((peers[Number(number)] as Block).data[Number(index)] as Uint8Array))
      for (const { namespace, collections } of set.namespaces) {
        for (const { collection, bytes } of collections) {
          // Purged since: the peer no longer tells what was written.
          if (bytes.length === 0) continue
          const found = open.namespaces
            .find((each) => each.namespace === namespace)
            ?.collections.find((each) => each.collection === collection)
          expect(toHex(sha256(bytes))).toBe(toHex(found?.privateHash ?? new Uint8Array()))
          hashed++
        }
      }
    }
  }
  expect(hashed).toBe(3)
})

/** What a block's valid transactions write. Metadata alone writes the value that is there: `values` has those of the blocks before. */
function updatesOf(block: Block, filter: Uint8Array, values: Map<string, Uint8Array>): NamespaceUpdates[] {
  const updates = new Map<string, { open: Map<string, Update<string>>; hidden: Map<string, Map<string, Update<Uint8Array>>> }>()
  for (const [index, item] of block.data.entries()) {
    const results = filter[index] === ValidationCode.valid ? resultsOf(item) : undefined
    if (results === undefined || isFault(results)) continue
    const version = { blockNumber: block.header.number, transactionNumber: BigInt(index) }
    for (const { namespace, keyValue, collections } of results.set.namespaces) {
      const into = updates.get(namespace) ?? { open: new Map(), hidden: new Map() }
      updates.set(namespace, into)
      for (const write of keyValue.writes) {
        into.open.set(write.key, { key: write.key, value: isDeletion(write) ? undefined : write.value, version })
      }
      for (const { key } of keyValue.metadataWrites) {
        const value = into.open.has(key) ? into.open.get(key)?.value : values.get(JSON.stringify([namespace, key]))
        if (value !== undefined) into.open.set(key, { key, value, version })
      }
      for (const { collection, hashed } of collections) {
        const keys = into.hidden.get(collection) ?? new Map<string, Update<Uint8Array>>()
        into.hidden.set(collection, keys)
        for (const write of hashed.hashedWrites) {
          keys.set(toHex(write.keyHash), { key: write.keyHash, value: isHashedDeletion(write) ? undefined : write.valueHash, version })
        }
      }
    }
  }
  for (const [namespace, { open }] of updates) {
    for (const { key, value } of open.values()) {
      if (value === undefined) values.delete(JSON.stringify([namespace, key]))
      else values.set(JSON.stringify([namespace, key]), value)
    }
  }
  return [...updates]
    .map(([namespace, { open, hidden }]) => ({
      namespace,
      updates: [...open.values()],
      collections: [...hidden].map(([collection, keys]) => ({ collection, updates: [...keys.values()] })),
    }))
    .filter(({ updates, collections }) => updates.length + collections.length > 0)
}

it('commit hashes come out as the real peer’s at every height', () => {
  const values = new Map<string, Uint8Array>()
  let previous: Uint8Array | undefined
  const hashes: (string | null)[] = [null]
  for (const block of peers.slice(1)) {
    const filter = readTransactionsFilter(block) ?? new Uint8Array()
    previous = commitHash(filter, updateBytes(updatesOf(block, filter, values)), previous)
    hashes.push(toHex(previous))
  }
  expect(hashes).toEqual(goldenBlocks().map(({ commitHash }) => commitHash))
})
