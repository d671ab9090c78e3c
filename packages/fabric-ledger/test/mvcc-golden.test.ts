import { memoryStateDatabase, prefetch, stateChanges, validateReads } from '@kumiko/fabric-ledger'
import { commitHash, type HashedRWSet, toHex, updateBytes } from '@kumiko/fabric-protocol'
import { goldenBlocks, goldenJson } from '@kumiko/golden-channel'
import { describe, expect, it } from 'vitest'
import { goldenTransactions, listOf, peerBlocks } from './golden.ts'

describe('the golden channel', async () => {
  const state = await memoryStateDatabase()('')
  const seen: { codes: string; hash: string | null }[] = []
  let previous: Uint8Array | undefined
  for (const number of peerBlocks.keys()) {
    const transactions = goldenTransactions(number)
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
    const hashed = peerBlocks.keys().flatMap((number) => goldenTransactions(number).flatMap(({ set }) => set?.namespaces ?? []))
    const sets: HashedRWSet[] = [...hashed].flatMap(({ collections }) => collections.map((each) => each.hashed))
    expect(sets.some(({ hashedReads }) => hashedReads.length > 0)).toBe(true)
  })
})
