import type { Clock, EnrEntries, LocalRecord, NodeRecord } from '@kumiko/interface'
import { virtualClock } from '@kumiko/testkit'
import { multiaddr } from '@multiformats/multiaddr'
import { MemoryDatastore } from 'datastore-core'
import { expect, test } from 'vitest'
import { decodeEnrText, ENR_SIZE_MAX_BYTES } from './enr.ts'
import { toHex } from './hex.ts'
import { localRecord } from './local-record.ts'
import { enrOf, enrTextOf } from './node.ts'
import { encodeRlp } from './rlp.ts'
import type { SeqStore } from './sequence.ts'

const secretKey = new Uint8Array(32).fill(9)
const START = 1_700_000_000_000

/** A store whose writes land when told to. */
function slowStore(): SeqStore & { saved: bigint | undefined; land: () => Promise<void>; fail: () => Promise<void>; waiting: number } {
  const writes: { seq: bigint; resolve: () => void; reject: (error: Error) => void }[] = []
  let isOpen = false
  const store = {
    saved: undefined as bigint | undefined,
    load: async () => store.saved,
    save(seq: bigint): Promise<void> {
      if (!isOpen) {
        isOpen = true
        store.saved = seq
        return Promise.resolve()
      }
      return new Promise<void>((resolve, reject) => writes.push({ seq, resolve, reject }))
    },
    get waiting() {
      return writes.length
    },
    async land() {
      const write = writes.shift()
      store.saved = write?.seq
      write?.resolve()
      await settle()
    },
    async fail() {
      writes.shift()?.reject(new Error('disk full'))
      await settle()
    },
  }
  return store
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function entriesOf(record: LocalRecord): Record<string, string> {
  const entries = enrOf(record.node)?.entries ?? new Map<string, Uint8Array>()
  return Object.fromEntries([...entries].filter(([key]) => key !== 'id' && key !== 'secp256k1').map(([key, rlp]) => [key, toHex(rlp)]))
}

async function make(seqStore?: SeqStore, clock: Clock = virtualClock(START)): Promise<LocalRecord> {
  return localRecord({ secretKey, clock, ...(seqStore === undefined ? {} : { seqStore }) })
}

/** @param count - Remotes that agree, each in a network of its own. */
function agree(record: LocalRecord, ip: string, udp: number, count: number, now = START, first = 1): void {
  const remote = (i: number): string => (ip.includes(':') && !ip.includes('.') ? `2600:${i}::9` : `9.9.${i}.9`)
  for (let i = first; i < first + count; i++) record.statement(remote(i), { ip, udp }, now)
}

test('a new record begins with the time, is signed, and says nothing', async () => {
  const record = await make()
  expect(record.seq).toBe(BigInt(START))
  expect(record.node.endpoints).toEqual([])
  expect(decodeEnrText(enrTextOf(record.node) ?? '')).toEqual(enrOf(record.node))
})

test('what changes within a tick is one update, and what changes nothing is none', async () => {
  const record = await make()
  const heard: NodeRecord[] = []
  const cancel = record.subscribe((node) => heard.push(node))
  record.setPorts(4, { tcp: 30303, udp: 30303 })
  record.setStaticIp(4, '1.2.3.4')
  record.setEntries({ eth: encodeRlp([1]) })
  await settle()
  expect(heard).toEqual([record.node])
  expect(record.seq).toBe(BigInt(START) + 1n)
  expect(record.node.endpoints).toEqual([{ host: '1.2.3.4', tcp: 30303, udp: 30303 }])

  record.setStaticIp(4, '1.2.3.4')
  record.setEntries({ eth: encodeRlp([1]), gone: undefined })
  record.setPorts(4, {})
  await settle()
  expect(heard.length).toBe(1)
  expect(record.seq).toBe(BigInt(START) + 1n)

  record.setEntries({ eth: undefined })
  expect(record.seq).toBe(BigInt(START) + 2n)
  await settle()
  expect(heard.length).toBe(2)
  cancel()
  cancel()
  record.setPorts(4, { udp: 1 })
  await settle()
  expect(heard.length).toBe(2)
})

test('a change back within a tick is no change', async () => {
  const record = await make()
  record.setPorts(4, { tcp: 1 })
  record.setPorts(4, { tcp: undefined })
  expect(record.seq).toBe(BigInt(START))
})

test('static beats predicted beats fallback', async () => {
  const record = await make()
  record.setFallback(4, '127.0.0.1', 30000)
  expect(record.node.endpoints).toEqual([{ host: '127.0.0.1', udp: 30000 }])
  agree(record, '5.6.7.8', 40000, 9)
  expect(record.node.endpoints).toEqual([{ host: '127.0.0.1', udp: 30000 }])
  agree(record, '5.6.7.8', 40000, 1, START, 10)
  expect(record.node.endpoints).toEqual([{ host: '5.6.7.8', udp: 40000 }])
  record.setStaticIp(4, '1.2.3.4')
  expect(record.node.endpoints).toEqual([{ host: '1.2.3.4', udp: 30000 }])
  record.setPorts(4, { udp: 30303 })
  expect(record.node.endpoints).toEqual([{ host: '1.2.3.4', udp: 30303 }])
  record.setStaticIp(4, undefined)
  expect(record.node.endpoints).toEqual([{ host: '5.6.7.8', udp: 40000 }])
})

test('a prediction ends when nobody says so any more', async () => {
  const clock = virtualClock(START)
  const record = await make(undefined, clock)
  record.setFallback(4, '127.0.0.1')
  agree(record, '5.6.7.8', 40000, 10)
  expect(record.node.endpoints[0]?.host).toBe('5.6.7.8')
  await clock.advance(300_001)
  record.statement('9.9.1.9', { ip: '5.6.7.8', udp: 40000 }, clock.now())
  expect(record.node.endpoints[0]?.host).toBe('127.0.0.1')
})

test('a network has one vote, and none on the other family', async () => {
  const record = await make()
  agree(record, '5.6.7.8', 30303, 9)
  agree(record, '2001:db9::1', 30303, 9)
  for (let i = 1; i < 100; i++) {
    record.statement(`9.9.9.${i}`, { ip: '5.6.7.8', udp: 30303 }, START)
    record.statement(`2600:9:${i}::${i}`, { ip: '2001:db9::1', udp: 30303 }, START)
    record.statement(`2601:${i}::9`, { ip: '5.6.7.8', udp: 30303 }, START)
    record.statement(`9.10.${i}.9`, { ip: '2001:db9::1', udp: 30303 }, START)
  }
  expect(record.node.endpoints).toEqual([])
  record.statement('9.10.1.9', { ip: '5.6.7.8', udp: 30303 }, START)
  record.statement('2602:1::9', { ip: '2001:db9::1', udp: 30303 }, START)
  expect(record.node.endpoints.map(({ host }) => host)).toEqual(['5.6.7.8', '2001:db9::1'])
})

test('on a site each address has a vote', async () => {
  const record = await make()
  for (let i = 1; i <= 10; i++) record.statement(`10.0.0.${i}`, { ip: '10.0.0.77', udp: 30303 }, START)
  expect(record.node.endpoints).toEqual([{ host: '10.0.0.77', udp: 30303 }])
})

test('families are predicted apart, and share ports that are the same', async () => {
  const record = await make()
  agree(record, '2001:db9::1', 30303, 10)
  agree(record, '::ffff:5.6.7.8', 30303, 10)
  record.setPorts(4, { tcp: 30303 })
  record.setPorts(6, { tcp: 30304 })
  expect(entriesOf(record)).toEqual({
    ip: '8405060708',
    ip6: '9020010db9000000000000000000000001',
    tcp: '82765f',
    tcp6: '827660',
    udp: '82765f',
  })
})

test('statements of nonsense are passed over', async () => {
  const record = await make()
  for (const ip of ['0.0.0.0', '::', '224.0.0.1', 'name', '']) agree(record, ip, 30303, 20)
  for (const udp of [0, -1, 65536, 1.5, Number.NaN]) agree(record, '5.6.7.8', udp, 20)
  record.contact('nonsense', START)
  expect(record.seq).toBe(BigInt(START))
})

test('an unspecified address is not told', async () => {
  const record = await make()
  record.setFallback(4, '0.0.0.0', 30303)
  expect(entriesOf(record)).toEqual({ udp: '82765f' })
})

test.each<[string, (record: LocalRecord) => void]>([
  ['identity/bad-ip', (record) => record.setStaticIp(4, '::1')],
  ['identity/bad-ip', (record) => record.setFallback(6, 'localhost', 1)],
  ['identity/bad-port', (record) => record.setPorts(4, { tcp: 1, udp: 65536 })],
  ['identity/bad-port', (record) => record.setFallback(4, '1.2.3.4', 1.5)],
  ['identity/reserved-entry', (record) => record.setEntries({ eth: encodeRlp(1), id: encodeRlp(1) })],
  ['identity/bad-entry', (record) => record.setEntries({ eth: Uint8Array.of(0x81, 1) })],
  ['identity/bad-entry', (record) => record.setEntries({ '': encodeRlp(1) })],
  ['identity/record-too-large', (record) => record.setEntries({ tcp: encodeRlp(1), eth: encodeRlp(new Uint8Array(300)) })],
])('misuse is %s and changes nothing', async (code, misuse) => {
  const record = await make()
  expect(() => misuse(record)).toThrow(expect.objectContaining({ code }))
  expect(record.seq).toBe(BigInt(START))
  expect(entriesOf(record)).toEqual({})
})

test('what fits stays within the limit whatever is learned later', async () => {
  const record = await make()
  let size = 0
  const fill = (bytes: number): EnrEntries => ({ fill: encodeRlp(new Uint8Array(bytes).fill(0xff)) })
  for (; size < 300; size++) {
    try {
      record.setEntries(fill(size + 1))
    } catch {
      break
    }
  }
  expect(size).toBeGreaterThan(80)
  record.setStaticIp(4, '255.255.255.255')
  record.setStaticIp(6, '2fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff')
  record.setPorts(4, { tcp: 65535, udp: 65535 })
  record.setPorts(6, { tcp: 65534, udp: 65534 })
  // The largest sequence number takes two bytes more than the time does now.
  expect(enrOf(record.node)?.bytes.length).toBe(ENR_SIZE_MAX_BYTES - 2)
})

test('the sequence number goes up over restarts, through a datastore', async () => {
  const seqStore = new MemoryDatastore()
  const used = new Set<bigint>()
  for (let run = 0; run < 4; run++) {
    const record = await localRecord({ secretKey, clock: virtualClock(START - run * 1000), seqStore })
    for (let port = 1; port <= 100; port++) {
      record.setPorts(4, { udp: port })
      expect(used.has(record.seq)).toBe(false)
      used.add(record.seq)
      await settle()
    }
  }
  expect([...used]).toEqual([...used].sort((a, b) => (a < b ? -1 : 1)))
  expect(used.size).toBe(400)
})

test('no number is used that is not saved, and changes wait for the store', async () => {
  const store = slowStore()
  const record = await make(store)
  const heard: bigint[] = []
  record.subscribe((node) => heard.push(node.seq))
  for (let port = 1; port <= 200; port++) {
    record.setPorts(4, { udp: port })
    expect(record.seq < (store.saved ?? 0n)).toBe(true)
    await settle()
  }
  expect(heard.length).toBe(63)
  expect(store.waiting).toBe(1)
  await store.land()
  expect(heard.length).toBe(64)
  expect(record.node.entry('udp')).toEqual(encodeRlp(200))
})

test('a write that fails is tried again at the next change', async () => {
  const store = slowStore()
  const record = await make(store)
  for (let port = 1; port <= 100; port++) {
    record.setPorts(4, { udp: port })
    expect(record.seq).toBeDefined()
  }
  const stuck = record.seq
  await store.fail()
  record.setPorts(4, { udp: 101 })
  await settle()
  expect(record.seq).toBe(stuck)
  expect(store.waiting).toBe(1)
  await store.land()
  expect(record.seq).toBe(stuck + 1n)
  expect(record.node.entry('udp')).toEqual(encodeRlp(101))
})

test('libp2p addresses have the room that is left, and give it to what is learned later', async () => {
  const record = await make()
  const told = Array.from({ length: 16 }, (_, index) => multiaddr(`/ip4/1.2.3.4/tcp/${4001 + index}`))
  const read = (): string[] => record.node.addresses.map((address) => address.toString().replace(/\/p2p\/.*/, ''))
  record.setMultiaddrs(told)
  const alone = read()
  expect(alone).toEqual(told.slice(0, alone.length).map(String))
  record.setPorts(4, { tcp: 30303 })
  record.setStaticIp(4, '1.2.3.4')
  record.setStaticIp(6, '2600::1')
  record.setEntries({ eth: encodeRlp(new Uint8Array(60)) })
  const [rlpx4, rlpx6, ...fewer] = read()
  expect([rlpx4, rlpx6]).toEqual(['/ip4/1.2.3.4/tcp/30303/rlpx', '/ip6/2600::1/tcp/30303/rlpx'])
  expect(fewer.length).toBeGreaterThan(0)
  expect(fewer.length).toBeLessThan(alone.length)
  expect(fewer).toEqual(alone.slice(0, fewer.length))
  const { seq } = record
  record.setMultiaddrs(told)
  expect([record.seq, enrOf(record.node)?.bytes.length]).toEqual([seq, expect.toSatisfy((size: number) => size > 280 && size <= 300)])
  record.setMultiaddrs([])
  expect(read()).toEqual([rlpx4, rlpx6])
})
