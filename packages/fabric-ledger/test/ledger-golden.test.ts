import { join } from 'node:path'
import { Ledger, type LedgerOptions, levelStateDatabase, memoryStateDatabase, type OpenStateDatabase } from '@kumiko/fabric-ledger'
import { type Block, toHex } from '@kumiko/fabric-protocol'
import { goldenBlocks, goldenJson } from '@kumiko/golden-channel'
import { expect, it } from 'vitest'
import { peerBlocks, withFolder } from './golden.ts'
import { goldenCommit, goldenPolicies } from './golden-commits.ts'

const CASES: readonly (readonly [string, () => OpenStateDatabase])[] = [
  ['memory', memoryStateDatabase],
  ['LevelDB', levelStateDatabase],
]

interface Expected {
  readonly state: Record<string, { key: string; value: string; version: { block: number; tx: number } }[]>
  readonly queriesAtEnd: Record<string, string>
  readonly privateStateHashes: Record<string, { keyHex: string; value: string; version: { block: number; tx: number } }[]>
}

async function expectGolden(ledger: Ledger): Promise<void> {
  expect(ledger.info.height).toBe(54n)
  expect(toHex(ledger.info.commitHash ?? new Uint8Array())).toBe(goldenBlocks()[53]?.commitHash)
  const { state, privateStateHashes, queriesAtEnd } = goldenJson('expected.json') as Expected
  const found = await stateOf(ledger)
  const count = [...Object.values(state), ...Object.values(privateStateHashes)].reduce((sum, { length }) => sum + length, 0)
  for (const [namespace, entries] of Object.entries(state)) {
    for (const { key, value, version } of entries) expect(found.get(`${namespace}/${key}`)).toEqual({ value, version })
  }
  for (const [namespace, entries] of Object.entries(privateStateHashes)) {
    for (const { keyHex, value, version } of entries) expect(found.get(`${namespace}/${keyHex}`)).toEqual({ value, version })
  }
  expect([...found.keys()].filter((id) => !id.includes('$$p')).length).toBe(count)
  for (const key of ['a', 'd']) {
    const told: unknown = JSON.parse(Buffer.from(queriesAtEnd[`hist ${key}`] ?? '', 'base64').toString())
    expect(await historyOf(ledger, key)).toEqual(told)
  }
}

async function historyOf(ledger: Ledger, key: string): Promise<unknown[]> {
  const found: unknown[] = []
  for await (const { txId, isDelete, value } of ledger.history('golden', key)) {
    found.push({ txId, isDelete, value: Buffer.from(value).toString() })
  }
  return found
}

async function stateOf(ledger: Ledger): Promise<Map<string, unknown>> {
  const found = new Map<string, unknown>()
  for await (const { namespace, key, value, version } of ledger.state.entries()) {
    const at = { block: Number(version.blockNumber), tx: Number(version.transactionNumber) }
    found.set(`${namespace}/${key}`, { value: Buffer.from(value).toString('base64'), version: at })
  }
  return found
}

it.each(CASES)('the golden channel is committed as by the real peer, with its state in %s', async (_, openState) => {
  await withFolder(async (folder) => {
    const options: LedgerOptions = {
      folder: join(folder, 'mychannel'),
      channelId: 'mychannel',
      openState: openState(),
      policies: () => goldenPolicies,
    }
    let ledger = await Ledger.create({ ...options, genesis: { ...(peerBlocks[0] as Block), metadata: [] } })
    for (const { number, txFilter, commitHash } of goldenBlocks().slice(1)) {
      const committed = await ledger.commit({ ...goldenCommit(number), verify: false })
      expect(committed.number).toBe(BigInt(number))
      expect(toHex(committed.codes)).toBe(txFilter)
      expect(committed.commitHash && toHex(committed.commitHash)).toBe(commitHash)
      expect(await ledger.blocks.block(BigInt(number))).toEqual(peerBlocks[number])
    }
    await expectGolden(ledger)
    await ledger.close()
    ledger = await Ledger.open(options)
    await expectGolden(ledger)
    await ledger.close()
  })
})
