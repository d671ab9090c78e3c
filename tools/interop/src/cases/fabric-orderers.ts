import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { BlockStore } from '@kumiko/fabric-ledger'
import { loadLocalMsp } from '@kumiko/fabric-msp'
import { type BroadcastClient, broadcastClient, type JetStreamOptions, natsJetStream, type OrderedLog } from '@kumiko/fabric-orderer'
import {
  blockHash,
  buildEnvelope,
  Envelope,
  HeaderType,
  openEnvelope,
  readChannelHeader,
  type Signer,
  toHex,
  transactionId,
} from '@kumiko/fabric-protocol'
import { GOLDEN } from '@kumiko/golden-channel'
import { isFault } from '@kumiko/interface'
import { freePorts } from '@kumiko/testkit'
import type { Case } from '../case.ts'
import { type NatsServer, natsCommand, startNats, startNatsCluster } from '../fabric/nats-cluster.ts'
import { OrdererChild } from '../fabric/orderer-child.ts'

const ROUNDS = 20

/** Clients at the same time, and how long each rests after a transaction. */
const [CLIENTS, REST_MS] = [6, 40]

/** Acknowledged since a kill before the next one. */
const PROGRESS = 10

/** Orderers of ours that agree over NATS. */
export const fabricOrdererCases: readonly Case[] = [
  natsCase('a log of JetStream keeps and refuses as it says', 60_000, logOfJetStream),
  natsCase('a log that loses its files while it is read is told of', 240_000, logWithoutFiles),
  natsCase('a server that was killed, and has entries of its own, is outvoted', 480_000, entriesOfItsOwn),
  natsCase('kill -9 of any, 20 times under load, then of all at once, loses and doubles nothing', 480_000, killUnderLoad),
]

/** @param run - Told how to start `nats-server`, and a folder of its own. */
function natsCase(what: string, deadlineMs: number, run: (command: string, folder: string) => Promise<void>): Case {
  return {
    name: `fabric orderers ↔ nats-server: ${what}`,
    deadlineMs,
    run: async () => {
      const command = await natsCommand()
      if (command === undefined) return 'nats-server is not installed: apt-get install nats-server'
      const folder = await mkdtemp(join(tmpdir(), 'kumiko-orderers-'))
      try {
        await run(command, folder)
      } finally {
        await rm(folder, { recursive: true, force: true, maxRetries: 5 })
      }
      return
    },
  }
}

async function logOfJetStream(command: string, folder: string): Promise<void> {
  const server = await startNats(command, folder, 'max_payload: 200KB')
  const open = (channelId: string, lastSequence: bigint, options: { readonly replicas?: number; readonly entryBytesMax?: number } = {}) => {
    const { replicas = 1, entryBytesMax = 100_000 } = options
    const consenter = natsJetStream({ servers: [server.address], replicas, openTimeoutMs: 5000, appendTimeoutMs: 3000 })
    return consenter.open({ channelId, genesisHash: new Uint8Array(32), folder, lastSequence, entryBytesMax })
  }
  try {
    await server.healthy(60_000)
    const log = await open('my.channel', 0n)
    const entries = Array.from({ length: 300 }, (_, at) => new Uint8Array(500).fill(at))
    const sequences = await Promise.all(entries.map((bytes) => log.append(bytes)))
    deepEqual(
      sequences,
      entries.map((_, at) => BigInt(at + 1)),
    )
    deepEqual(await log.bounds(), { first: 1n, last: 300n })
    await rejects(log.append(new Uint8Array(300_000)), { code: 'fabric-orderer/log-full' })
    await server.kill()
    await rejects(log.append(new Uint8Array(1)), { code: 'fabric-orderer/not-appended' })
    const read = readUntil(log, 101n, ({ length }) => length === 202, 20_000)
    await server.start()
    equal(await log.append(new Uint8Array(9)), 301n)
    equal(await log.append(new Uint8Array(9)), 302n)
    deepEqual((await read).slice(0, 200), entries.slice(100))
    await log.close()
    await rejects(open('gone', 5n), { code: 'fabric-orderer/log-lost' })
    await rejects(open('large', 0n, { entryBytesMax: 300_000 }), { code: 'fabric-orderer/stream-unfit', message: /max_payload/ })
    await rejects(open('my.channel', 0n, { replicas: 3 }), { code: 'fabric-orderer/stream-unfit', message: /num_replicas is 1/ })
    await server.kill()
    await rejects(open('my.channel', 0n), { code: 'fabric-orderer/nats-unreachable' })
  } finally {
    await server.kill()
  }
}

/** It may be that NATS only has to catch up: half a minute goes by first. */
async function logWithoutFiles(command: string, folder: string): Promise<void> {
  const server = await startNats(command, folder, '')
  try {
    await server.healthy(60_000)
    const consenter = natsJetStream({ servers: [server.address], replicas: 1 })
    const log = await consenter.open({ channelId: 'c', genesisHash: new Uint8Array(32), folder, lastSequence: 0n, entryBytesMax: 100 })
    for (let at = 0; at < 3; at++) await log.append(Uint8Array.of(at))
    const reading = readUntil(log, 1n, ({ length }) => length === 4, 180_000)
    await server.kill()
    await rm(join(folder, 'nats', 'jetstream'), { recursive: true })
    await server.start()
    await rejects(reading, { code: 'fabric-orderer/log-lost' })
    await log.close()
  } finally {
    await server.kill()
  }
}

/** Reads until what was read is enough. @throws Where it is not after `timeoutMs`. */
async function readUntil(
  log: OrderedLog,
  from: bigint,
  isEnough: (entries: readonly Uint8Array[]) => boolean,
  timeoutMs: number,
): Promise<Uint8Array[]> {
  const entries: Uint8Array[] = []
  for await (const { sequence, bytes } of log.read(from, { signal: AbortSignal.timeout(timeoutMs) })) {
    equal(sequence, from + BigInt(entries.length))
    entries.push(bytes)
    if (isEnough(entries)) return entries
  }
  throw new Error(`only ${entries.length} entries were read in ${timeoutMs} ms`)
}

/** Rounds in which the servers' leader takes an entry that no other has, and dies. */
const ROUNDS_ALONE = 4

/** Comes before a number in what is acknowledged; the other in what is not. */
const [COMMON, OWN] = [1, 2]

/** What the leader has alone may go on to be an entry, where it leads again: but never for some readers only, and in no place of another. */
async function entriesOfItsOwn(command: string, folder: string): Promise<void> {
  const servers = await startNatsCluster(command, folder)
  const addresses = servers.map(({ address }) => address)
  const logs: OrderedLog[] = []
  const open = async (options: JetStreamOptions) => {
    const context = { channelId: 'mychannel', genesisHash: new Uint8Array(32), folder, lastSequence: 0n, entryBytesMax: 1000 }
    const log = await natsJetStream(options).open(context)
    logs.push(log)
    return log
  }
  try {
    await Promise.all(servers.map((each) => each.healthy(60_000)))
    const log = await open({ servers: addresses, appendTimeoutMs: 60_000 })
    const acknowledged: Uint8Array[] = []
    const append = async (count: number) => {
      for (let left = count; left > 0; left--) {
        const entry = Uint8Array.of(COMMON, acknowledged.length)
        await log.append(entry)
        acknowledged.push(entry)
      }
    }
    const reading: Promise<Uint8Array[]>[] = []
    const beginReading = async (last: number) => {
      const isLast = (entry: Uint8Array | undefined) => entry?.[0] === COMMON && entry[1] === last
      const read = readUntil(await open({ servers: addresses }), 1n, (entries) => isLast(entries.at(-1)), 420_000)
      read.catch(() => undefined) // awaited below
      reading.push(read)
    }
    await append(10)
    for (let round = 0; round < ROUNDS_ALONE; round++) {
      const first = await leaderOf(servers)
      const alone = await open({ servers: [first.address], appendTimeoutMs: 1000 })
      await Promise.all(servers.map((each) => (each === first ? undefined : each.kill())))
      await rejects(alone.append(Uint8Array.of(OWN, round)), { code: 'fabric-orderer/not-appended' })
      await first.kill()
      await Promise.all(servers.map((each) => each.start()))
      await append(10)
      // Each looks for the servers anew, and so hears them in another order.
      await beginReading(10 + 10 * ROUNDS_ALONE - 1)
      await Promise.all(servers.map((each) => each.healthy(60_000)))
    }
    for (let late = 0; late < 4; late++) await beginReading(acknowledged.length - 1)
    const [first, ...others] = await Promise.all(reading)
    for (const other of others) deepEqual(other, first)
    deepEqual(withoutRepeats(first ?? []), acknowledged)
  } finally {
    await Promise.all(logs.map((each) => each.close()))
    await Promise.all(servers.map((each) => each.kill()))
  }
}

/** Waits until there is one. */
async function leaderOf(servers: readonly NatsServer[]): Promise<NatsServer> {
  for (const deadline = performance.now() + 60_000; performance.now() < deadline; await delay(100)) {
    const leader = await servers[0]?.leader()
    const found = servers.find(({ name }) => name === leader)
    if (found !== undefined) return found
  }
  throw new Error('no server leads the stream')
}

/** What was acknowledged: an entry is in the log again where its acknowledgement came late. */
function withoutRepeats(entries: readonly Uint8Array[]): Uint8Array[] {
  const seen = new Set<number | undefined>()
  return entries.filter(([what, number]) => what === COMMON && !seen.has(number) && seen.add(number))
}

async function killUnderLoad(command: string, folder: string): Promise<void> {
  const servers = await startNatsCluster(command, folder)
  const ports = await freePorts(3)
  const addresses = servers.map(({ address }) => address)
  const orderers = ports.map((port, at) => new OrdererChild(join(folder, `orderer-${at}`), `127.0.0.1:${port}`, addresses))
  await Promise.all(orderers.map((each) => each.start(60_000)))
  const client = broadcastClient(
    orderers.map(({ address }) => ({ address })),
    { timeoutMs: 5000 },
  )
  const load = new Load(
    client,
    await loadLocalMsp(join(GOLDEN, 'crypto/peerOrganizations/org1.example.com/users/User1@org1.example.com/msp'), { mspId: 'Org1MSP' }),
  )
  try {
    await load.progress(PROGRESS)
    for (let round = 0; round < ROUNDS; round++) await killOne(round, servers, orderers, load)
    await killAll(servers, orderers, load)
    await load.stop()
    const height = await settled(orderers, load.acknowledged.size)
    for (const orderer of orderers) equal((await orderer.stop()).failure, null)
    await compare(orderers, load, height)
  } finally {
    await load.stop()
    client.close()
    await Promise.all([...orderers, ...servers].map((each) => each.kill()))
  }
}

/** Orderers and servers in turn, each of the three as often as the others. */
async function killOne(round: number, servers: readonly NatsServer[], orderers: readonly OrdererChild[], load: Load): Promise<void> {
  const at = Math.floor(round / 2) % 3
  const [server, orderer] = [servers[at], orderers[at]]
  await delay(Math.random() * 300)
  if (round % 2 === 0) {
    await orderer?.kill()
    await load.progress(PROGRESS)
    await orderer?.start(60_000)
  } else {
    await server?.kill()
    await load.progress(PROGRESS)
    await server?.start()
  }
  await Promise.all(servers.map((each) => each.healthy(60_000)))
  await load.progress(PROGRESS)
}

/** All servers of NATS at once, and the orderers while there is none. */
async function killAll(servers: readonly NatsServer[], orderers: readonly OrdererChild[], load: Load): Promise<void> {
  await Promise.all([...servers, ...orderers].map((each) => each.kill()))
  await Promise.all(servers.map((each) => each.start()))
  await Promise.all(orderers.map((each) => each.start(60_000)))
  await Promise.all(servers.map((each) => each.healthy(60_000)))
  await load.progress(PROGRESS)
}

/** Clients that send transactions, each until an orderer has taken it. */
class Load {
  /** Transactions' ids. */
  readonly acknowledged = new Set<string>()
  readonly #client: BroadcastClient
  readonly #signer: Signer
  readonly #working: Promise<void>[]
  #isStopped = false
  #count = 0

  constructor(client: BroadcastClient, signer: Signer) {
    this.#client = client
    this.#signer = signer
    this.#working = Array.from({ length: CLIENTS }, () => this.#work())
    for (const each of this.#working) each.catch(() => undefined) // `stop` tells
  }

  /** Waits until so many more were acknowledged. */
  async progress(count: number): Promise<void> {
    const [goal, deadline] = [this.acknowledged.size + count, performance.now() + 60_000]
    while (this.acknowledged.size < goal) {
      if (performance.now() > deadline) throw new Error(`only ${this.acknowledged.size} acknowledged in 60 s, of ${goal}`)
      await delay(20)
    }
  }

  /** What was sent is taken first. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await Promise.all(this.#working)
  }

  async #work(): Promise<void> {
    while (!this.#isStopped) {
      const { txId, envelope } = this.#next()
      for (let left = 200; !(await this.#send(txId, envelope)); left--) {
        if (left === 0) throw new Error(`transaction ${txId} is taken by nobody`)
        await delay(100)
      }
      await delay(REST_MS)
    }
  }

  async #send(txId: string, envelope: Envelope): Promise<boolean> {
    const result = await this.#client.broadcast(envelope)
    if (result.outcome === 'rejected') throw new Error(`${result.response.status} ${result.response.info}`)
    if (result.outcome === 'accepted') this.acknowledged.add(txId)
    return result.outcome === 'accepted'
  }

  #next(): { readonly txId: string; readonly envelope: Envelope } {
    const nonce = new Uint8Array(24)
    new DataView(nonce.buffer).setUint32(0, ++this.#count)
    const txId = transactionId({ creator: this.#signer.creator, nonce })
    const header = { type: HeaderType.endorserTransaction, channelId: 'mychannel', txId }
    const envelope = Envelope.decode(buildEnvelope(header, new Uint8Array(500), nonce, this.#signer))
    if (isFault(envelope)) throw new Error(envelope.detail)
    return { txId, envelope }
  }
}

/** Waits until all orderers have the same number of blocks, and so many transactions in them, and no more come. */
async function settled(orderers: readonly OrdererChild[], transactions: number): Promise<number> {
  const deadline = performance.now() + 60_000
  for (let last = 0; ; ) {
    const reports = await Promise.all(orderers.map((each) => each.report()))
    const [height = 0] = reports.map((report) => report.height)
    if (reports.every((report) => report.height === height && report.transactions >= transactions) && height === last) return height
    last = height
    if (performance.now() > deadline) throw new Error(`not all have ${transactions} transactions: ${JSON.stringify(reports)}`)
    // Longer than the channel's batch timeout.
    await delay(1000)
  }
}

async function compare(orderers: readonly OrdererChild[], load: Load, height: number): Promise<void> {
  const chains = await Promise.all(orderers.map(({ folder }) => readChain(join(folder, 'mychannel'))))
  const [first] = chains
  ok(first !== undefined && first.headers.length === height && height > 1)
  for (const chain of chains) deepEqual(chain, first)
  equal(new Set(first.txIds).size, first.txIds.length, 'a transaction is in the chain twice')
  const ordered = new Set(first.txIds)
  const lost = [...load.acknowledged].filter((txId) => !ordered.has(txId))
  deepEqual(lost, [], `${lost.length} of ${load.acknowledged.size} acknowledged transactions are lost`)
}

interface Chain {
  readonly headers: readonly string[]
  readonly txIds: readonly string[]
}

async function readChain(folder: string): Promise<Chain> {
  const store = await BlockStore.open({ folder: join(folder, 'blocks'), indexFolder: join(folder, 'index') })
  try {
    const [headers, txIds]: [string[], string[]] = [[], []]
    for await (const block of store.blocks()) {
      headers.push(toHex(blockHash(block.header)))
      if (block.header.number > 0n) txIds.push(...block.data.map(txIdOf))
    }
    return { headers, txIds }
  } finally {
    await store.close()
  }
}

function txIdOf(envelope: Uint8Array): string {
  const payload = openEnvelope(envelope)
  const header = isFault(payload) ? payload : readChannelHeader(payload)
  if (isFault(header)) throw new Error(header.detail)
  return header.txId
}
