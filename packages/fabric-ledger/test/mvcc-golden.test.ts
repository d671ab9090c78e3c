import { memoryStateDatabase, prefetch, stateChanges, type TransactionToValidate, validateReads } from '@kumiko/fabric-ledger'
import {
  commitHash,
  type HashedRWSet,
  HeaderType,
  KVRWSet,
  type ReadWriteSet,
  readChaincodeAction,
  readEndorserTransaction,
  readEnvelope,
  readHeader,
  readPayload,
  readReadWriteSet,
  toHex,
  updateBytes,
  ValidationCode,
} from '@kumiko/fabric-protocol'
import { goldenBlocks, goldenJson } from '@kumiko/golden-channel'
import { describe, expect, it } from 'vitest'
import { good, listOf, peerBlocks } from './golden.ts'

const OURS = new Set<number>([ValidationCode.mvccReadConflict, ValidationCode.phantomReadConflict])

/** What a transaction reads and writes; a configuration writes itself. */
function setOf(item: Uint8Array): ReadWriteSet {
  const payload = good(readPayload(good(readEnvelope(item)).payload))
  if (good(readHeader(payload)).channel.type === HeaderType.config) {
    const write = { key: 'CHANNEL_CONFIG_ENV_BYTES', isDelete: false, value: payload.data }
    return { namespaces: [{ namespace: '', keyValue: KVRWSet.create({ writes: [write] }), collections: [] }] }
  }
  return good(readReadWriteSet(good(readChaincodeAction(good(readEndorserTransaction(payload)).responsePayload)).results))
}

/** With the codes of the steps before this one. */
function transactionsOf(number: number): TransactionToValidate[] {
  const block = goldenBlocks()[number]
  return (block?.txs ?? []).map(({ index, validationCode }) => {
    const code = OURS.has(validationCode) ? ValidationCode.valid : validationCode
    const item = peerBlocks[number]?.data[index] ?? new Uint8Array()
    return { code, set: code === ValidationCode.valid ? setOf(item) : undefined }
  })
}

describe('the golden channel', async () => {
  const state = await memoryStateDatabase()('')
  const seen: { codes: string; hash: string | null }[] = []
  let previous: Uint8Array | undefined
  for (const number of peerBlocks.keys()) {
    const transactions = transactionsOf(number)
    const { codes, updates } = await validateReads(BigInt(number), transactions, await prefetch(transactions, state))
    await state.apply(stateChanges(updates), BigInt(number) + 1n)
    if (number > 0) previous = commitHash(codes, updateBytes(updates), previous)
    seen.push({ codes: toHex(codes), hash: previous === undefined ? null : toHex(previous) })
  }

  it('gets the codes and commit hashes that the real peer gave it', () => {
    expect(seen).toEqual(goldenBlocks().map(({ txFilter, commitHash }) => ({ codes: txFilter, hash: commitHash })))
  })

  it('leaves the state that the real peer has', async () => {
    const { state: open, privateStateHashes } = goldenJson('expected.json') as {
      readonly state: Record<string, { key: string; value: string; version: { block: number; tx: number } }[]>
      readonly privateStateHashes: Record<string, { keyHex: string; value: string }[]>
    }
    const read = (namespace: string) => listOf(state.range(namespace, '', ''))
    for (const [namespace, entries] of Object.entries(open)) {
      const found = (await read(namespace)).map(({ key, value, version }) => ({
        key,
        value: Buffer.from(value).toString('base64'),
        version: { block: Number(version.blockNumber), tx: Number(version.transactionNumber) },
      }))
      const expected = entries.map(({ key, value, version }) => ({ key, value, version }))
      expect(found).toEqual(expected.sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key))))
    }
    for (const [namespace, entries] of Object.entries(privateStateHashes)) {
      const found = (await read(namespace)).map(({ key, value }) => ({ keyHex: key, value: Buffer.from(value).toString('base64') }))
      const expected = entries.map(({ keyHex, value }) => ({ keyHex, value }))
      expect(found).toEqual(expected.sort((a, b) => (a.keyHex < b.keyHex ? -1 : 1)))
    }
  })

  it('has conflicts of every kind', () => {
    expect(seen.map(({ codes }) => codes).join('')).toMatch(/0b.*0c/)
    const hashed = peerBlocks.keys().flatMap((number) => transactionsOf(number).flatMap(({ set }) => set?.namespaces ?? []))
    const sets: HashedRWSet[] = [...hashed].flatMap(({ collections }) => collections.map((each) => each.hashed))
    expect(sets.some(({ hashedReads }) => hashedReads.length > 0)).toBe(true)
  })
})
