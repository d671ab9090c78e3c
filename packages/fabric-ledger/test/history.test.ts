import { join } from 'node:path'
import { BlockStore, blockTransactions, History, type HistoryWrite, historyWrites, keyModifications } from '@kumiko/fabric-ledger'
import {
  assembleTransaction,
  buildProposal,
  ChaincodeAction,
  Envelope,
  encodeUtf8,
  Header,
  KVRWSet,
  ProposalResponsePayload,
  proposalHash,
  readTransactionsFilter,
  writeReadWriteSet,
} from '@kumiko/fabric-protocol'
import { goldenJson } from '@kumiko/golden-channel'
import { ClassicLevel } from 'classic-level'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { good, listOf, peerBlocks, withFolder } from './golden.ts'

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
const write = (namespace: string, key: string, transactionNumber: number): HistoryWrite => ({ namespace, key, transactionNumber })

async function withHistory(run: (history: History, folder: string) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const history = await History.open(folder)
    try {
      await run(history, folder)
    } finally {
      await history.close()
    }
  })
}

describe('the golden channel', () => {
  it("has the history that the real peer's GetHistoryForKey gives", () =>
    withFolder(async (folder) => {
      const history = await History.open(join(folder, 'history'))
      const store = await BlockStore.open({ folder: join(folder, 'blocks'), indexFolder: join(folder, 'index') })
      for (const block of peerBlocks) {
        await store.append(block)
        const codes = readTransactionsFilter(block) ?? new Uint8Array()
        await history.commit(block.header.number, historyWrites(good(blockTransactions(block, codes)), codes))
      }
      expect(history.height).toBe(BigInt(peerBlocks.length))
      const { queriesAtEnd } = goldenJson('expected.json') as { readonly queriesAtEnd: Record<string, string> }
      for (const key of ['a', 'd']) {
        const found = await listOf(keyModifications(history, store, 'golden', key))
        const shown = found.map(({ txId, isDelete, value }) => ({ txId, isDelete, value: text(value) }))
        expect(shown).toEqual(JSON.parse(Buffer.from(queriesAtEnd[`hist ${key}`] ?? '', 'base64').toString()))
        expect(found.every(({ timestamp }) => timestamp !== undefined && timestamp.seconds > 1_700_000_000n)).toBe(true)
      }
      expect(await listOf(keyModifications(history, store, 'golden', 'never'))).toEqual([])
      for (const number of [5, peerBlocks.length]) {
        await history.commit(BigInt(number), [write('golden', `never ${number}`, 0)])
        const missing = listOf(keyModifications(history, store, 'golden', `never ${number}`))
        await expect(missing).rejects.toMatchObject({ code: 'fabric-ledger/corrupt-history' })
      }
      await store.close()
      await history.close()
    }))
})

/** A transaction that writes an empty value, and does not say that it deletes: of older peers. */
function emptyWrite(key: string): Uint8Array {
  const keyValue = KVRWSet.create({ writes: [{ key, isDelete: false, value: new Uint8Array() }] })
  const results = writeReadWriteSet({ namespaces: [{ namespace: 'cc', keyValue, collections: [] }] })
  const request = { channelId: 'c', chaincode: 'cc', args: [], nonce: encodeUtf8('nonce'), timestamp: { seconds: 7n, nanos: 0 } }
  const { proposal } = buildProposal(request, encodeUtf8('creator'))
  const hash = proposalHash(good(Header.decode(proposal.header)), proposal.payload)
  const response = ProposalResponsePayload.encode({ proposalHash: hash, extension: ChaincodeAction.encode({ results }) })
  return Envelope.encode({ payload: good(assembleTransaction(proposal, response, [])) })
}

describe("a key's modifications", () => {
  it('have a write of nothing as a deletion', async () => {
    const data = [emptyWrite('a'), emptyWrite('b'), emptyWrite('a')]
    const blocks = { envelopeAt: async (number: bigint, at: number) => (number === 3n ? data[at] : undefined) }
    const history = {
      async *entries() {
        for (const transactionNumber of [2, 0]) yield { blockNumber: 3n, transactionNumber }
      },
    }
    const found = await listOf(keyModifications(history, blocks, 'cc', 'a'))
    expect(found.map(({ isDelete, timestamp }) => ({ isDelete, timestamp }))).toEqual(
      [1, 2].map(() => ({ isDelete: true, timestamp: { seconds: 7n, nanos: 0 } })),
    )
  })
})

describe('a history', () => {
  it("has Fabric's keys", () =>
    withHistory(async (history, folder) => {
      await history.commit(258n, [write('cc', 'k\0', 3)])
      await history.close()
      const level = new ClassicLevel<Uint8Array, Uint8Array>(folder, { keyEncoding: 'view', valueEncoding: 'view' })
      const key = Uint8Array.of(...encodeUtf8('dcc\0'), 1, 2, ...encodeUtf8('k\0\0'), 2, 1, 2, 1, 3)
      expect(await level.get(key)).toHaveLength(0)
      await level.close()
    }))

  it('is the same when it is opened again, and when it is told of a block again', () =>
    withHistory(async (history, folder) => {
      await history.commit(0n, [])
      await history.commit(1n, [write('cc', 'a', 0), write('cc', 'a', 300), write('cc', 'b', 1)])
      await history.commit(1n, [write('cc', 'a', 0), write('cc', 'a', 300), write('cc', 'b', 1)])
      await expect(History.open(folder)).rejects.toMatchObject({ code: 'fabric-ledger/history-not-open' })
      await history.close()
      const again = await History.open(folder)
      expect(again.height).toBe(2n)
      expect(await listOf(again.entries('cc', 'a'))).toEqual([300, 0].map((transactionNumber) => ({ blockNumber: 1n, transactionNumber })))
      await again.close()
    }))

  it('shows a loop nothing of what comes later', () =>
    withHistory(async (history) => {
      for (let number = 0n; number < 200n; number++) await history.commit(number, [write('cc', 'a', 0)])
      const seen: bigint[] = []
      for await (const { blockNumber } of history.entries('cc', 'a')) {
        if (seen.length === 0) await history.commit(200n, [write('cc', 'a', 0)])
        seen.push(blockNumber)
      }
      expect(seen).toEqual(Array.from({ length: 200 }, (_, index) => 199n - BigInt(index)))
    }))

  it('refuses a namespace that could be taken for another with a key, and a folder of another layout', () =>
    withHistory(async (history, folder) => {
      await expect(history.commit(0n, [write('c\0c', 'a', 0)])).rejects.toMatchObject({ code: 'fabric-ledger/bad-namespace' })
      expect(await listOf(history.entries('c\0c', 'a'))).toEqual([])
      await history.close()
      for (const savepoint of [Uint8Array.of(8, 9), Uint8Array.of(255)]) {
        const level = new ClassicLevel<Uint8Array, Uint8Array>(folder, { keyEncoding: 'view', valueEncoding: 'view' })
        await level.put(encodeUtf8('s'), savepoint)
        await level.close()
        await expect(History.open(folder)).rejects.toMatchObject({ code: 'fabric-ledger/corrupt-history' })
      }
    }))

  it("never takes one key's entries for another's", () =>
    withHistory(async (history) => {
      // Keys that look like the lengths, separators and numbers of others.
      const key = fc.string({ unit: fc.constantFrom('\0', '\u0001', '\u0002', 'a'), maxLength: 5 })
      const one = fc.record({ namespace: fc.constantFrom('a', 'aa'), key, transactionNumber: fc.integer({ min: 0, max: 300 }) })
      let number = 0n
      const model = new Map<string, [bigint, number][]>()
      await fc.assert(
        fc.asyncProperty(fc.array(one, { maxLength: 8 }), async (writes) => {
          await history.commit(number, writes)
          for (const { namespace, key, transactionNumber } of writes) {
            const id = `${namespace}/${key}`
            const known = model.get(id) ?? []
            if (!known.some(([block, transaction]) => block === number && transaction === transactionNumber))
              known.push([number, transactionNumber])
            model.set(id, known)
          }
          for (const { namespace, key } of writes) {
            const expected = (model.get(`${namespace}/${key}`) ?? []).toSorted((a, b) => Number(b[0] - a[0]) || b[1] - a[1])
            const found = await listOf(history.entries(namespace, key))
            expect(found.map(({ blockNumber, transactionNumber }) => [blockNumber, transactionNumber])).toEqual(expected)
          }
          number++
        }),
        { numRuns: 150, seed: 20_261_121, endOnFailure: true },
      )
      expect(number).toBeGreaterThan(100n)
    }))
})
