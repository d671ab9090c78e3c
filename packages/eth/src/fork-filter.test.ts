import { encodeRlp, generateSecretKey, nodeFromEnr, nodeFromParts, type RlpInput, signEnr } from '@kumiko/identity'
import type { EnrEntries, NodeRecord } from '@kumiko/interface'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Chain, syncedHead } from './chain.ts'
import { ethEntry, forkIdOf } from './eth-entry.ts'
import { forkFilter } from './fork-filter.ts'
import { type ForkId, forkIdItem } from './fork-id.ts'
import { ForkIds } from './fork-ids.ts'
import { hoodi } from './hoodi.ts'
import { mainnet } from './mainnet.ts'

const HEAD = syncedHead(Date.UTC(2026, 7, 1))
const KEY = generateSecretKey(() => new Uint8Array(32).fill(1))

const nodeWith = (entries: EnrEntries): NodeRecord => nodeFromEnr(signEnr(KEY, 1n, entries))
const nodeWithEth = (value: RlpInput): NodeRecord => nodeWith({ eth: encodeRlp(value) })
const idOf = (chain: Chain): ForkId => new ForkIds(chain).at(HEAD)

test('a record carries a fork id there and back', () => {
  expect(idOf(mainnet)).toEqual({ hash: 0x07c9462e, next: 0n })
  expect(forkIdOf(nodeWith(ethEntry(idOf(mainnet))))).toEqual(idOf(mainnet))
})

test('what comes behind the fork id in an entry is passed over', () => {
  const item = forkIdItem(idOf(mainnet))
  expect(forkIdOf(nodeWithEth([item, item, [1, 2], Uint8Array.of(3)]))).toEqual(idOf(mainnet))
})

test.each<[string, RlpInput]>([
  ['no list', 7],
  ['an empty list', []],
  ['a list in which there is no list', [Uint8Array.of(1, 2, 3, 4), 0]],
  ['a fork id of one', [[Uint8Array.of(1, 2, 3, 4)]]],
  ['a fork id of three', [[Uint8Array.of(1, 2, 3, 4), 0, 0]]],
  ['a hash of 3 bytes', [[Uint8Array.of(1, 2, 3), 0]]],
  ['a next fork beyond uint64', [[Uint8Array.of(1, 2, 3, 4), 2n ** 64n]]],
  ['a next fork with a leading zero', [[Uint8Array.of(1, 2, 3, 4), Uint8Array.of(0, 1)]]],
])('an entry that is %s is a fault, and its node is refused', (_, value) => {
  expect(forkIdOf(nodeWithEth(value))).toMatchObject({ fault: 'eth/bad-fork-id' })
  expect(forkFilter(mainnet, () => HEAD)(nodeWithEth(value))).toBe(false)
})

test('nodes of the same chain pass, those of others, of none, and without a record do not', () => {
  const accepts = forkFilter(mainnet, () => HEAD)
  const { publicKey } = nodeWith({})
  expect(accepts(nodeWith(ethEntry(idOf(mainnet))))).toBe(true)
  expect(accepts(nodeWith(ethEntry(new ForkIds(mainnet).at({ block: 0, time: 0 }))))).toBe(true)
  expect(accepts(nodeWith(ethEntry(idOf(hoodi))))).toBe(false)
  expect(accepts(nodeWith({}))).toBe(false)
  expect(accepts(nodeFromParts({ publicKey, endpoints: [{ host: '192.0.2.1', tcp: 30303 }] }))).toBe(false)
})

test('the head is asked for each time: who lacks a fork is refused once we have passed it', () => {
  let head = { block: 20_000_000, time: 1_764_798_550 }
  const accepts = forkFilter(mainnet, () => head)
  const unaware = nodeWith(ethEntry({ hash: 0xc376cf8b, next: 0n }))
  expect(accepts(unaware)).toBe(true)
  head = { ...head, time: 1_764_798_551 }
  expect(accepts(unaware)).toBe(false)
})

test.each<[string, Partial<Chain>]>([
  ['a genesis hash that is none', { genesisHash: '0x12' }],
  ['a fork at no whole number', { forks: [{ name: 'half', block: 0.5 }] }],
  ['a fork before time', { forks: [{ name: 'early', time: -1 }] }],
])('a chain with %s is refused', (_, change) => {
  expect(() => new ForkIds({ ...mainnet, ...change })).toThrow(expect.objectContaining({ code: 'eth/bad-chain' }))
})

test('the order of forks makes no difference, nor do those from the first block on', () => {
  const forks = [...mainnet.forks].reverse()
  const shuffled = { ...mainnet, forks: [...forks, { name: 'first', block: 0 }, { name: 'early', time: 0 }] }
  expect(idOf(shuffled)).toEqual(idOf(mainnet))
})

test('any two heads of one chain accept each other, unless one lacks a fork', () => {
  const ids = new ForkIds(mainnet)
  const heads = fc.record({ block: fc.nat(30_000_000), time: fc.integer({ min: 1_438_269_973, max: 1_800_000_000 }) })
  fc.assert(
    fc.property(heads, heads, (a, b) => {
      expect(ids.check(ids.at(a), b)).toBeUndefined()
    }),
    { seed: 1 },
  )
})
