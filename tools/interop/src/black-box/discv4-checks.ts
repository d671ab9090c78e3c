import { curve, decodeEnr, encodeRlp, isRlpBytes, isRlpList } from '@kumiko/identity'
import { isFault } from '@kumiko/interface'
import { ADDRESSES, type Bench } from './bench.ts'
import type { Check } from './check.ts'
import { demand, pause, until } from './demand.ts'
import { Discv4Bystander } from './discv4-bystander.ts'
import {
  Discv4Tester,
  endpointItem,
  fence,
  HEAD_BYTES,
  namesOf,
  neighborsOf,
  PACKET,
  type PingForm,
  sameBytes,
  seal,
  soon,
  withHash,
} from './discv4-tester.ts'
import type { TesterSocket } from './tester-socket.ts'

/** An address of nobody (TEST-NET-1), port 0. */
const NOWHERE = endpointItem({ ip: '192.0.2.0', port: 0 })
const EXTRA = [42, Uint8Array.of(9, 8, 7, 6, 5, 4, 3, 2, 1)]

/** From one question to the next while we wait for that. */
const POLL_MS = 1000

/** go-ethereum reads this as the past; whoever compares unsigned reads it as the far future. */
const negativeExpiration = (): bigint => BigInt.asUintN(64, -BigInt(soon()))

/** A ping of a form must be answered by PONG and PING, back to where it came from. */
function answered(form: (tester: Discv4Tester) => PingForm): Check['run'] {
  return async (bench) => {
    const tester = await Discv4Tester.open(bench)
    const hash = tester.ping(form(tester))
    const [pong] = await tester.greeting()
    tester.checkPong(pong, hash)
  }
}

/** Something sent by a stranger must not be answered at all. */
function silent(send: (tester: Discv4Tester, bench: Bench) => void): Check['run'] {
  return async (bench) => {
    const tester = await Discv4Tester.open(bench)
    send(tester, bench)
    const packets = await tester.rest()
    demand(packets.length === 0, `want silence, got ${namesOf(packets)}`)
  }
}

/** Among what comes there must be none of a type. */
async function none(tester: Discv4Tester, type: number): Promise<void> {
  const packets = await tester.rest()
  demand(!packets.some((packet) => packet.type === type), `got ${namesOf(packets)}`)
}

async function bonded(bench: Bench): Promise<Discv4Tester> {
  const tester = await Discv4Tester.open(bench)
  await tester.bond()
  return tester
}

/** go-ethereum's 15 tests of discv4, and what none of them looks at. */
export const discv4Checks: readonly Check[] = [
  { name: 'Ping/Basic', run: answered(() => ({})) },
  { name: 'Ping/WrongTo', run: answered(() => ({ to: NOWHERE })) },
  { name: 'Ping/WrongFrom', run: answered(() => ({ from: NOWHERE })) },
  { name: 'Ping/ExtraData', run: answered(() => ({ extra: EXTRA })) },
  { name: 'Ping/ExtraDataWrongFrom', run: answered(() => ({ from: NOWHERE, extra: EXTRA })) },
  { name: 'Ping/PastExpiration', run: silent((tester) => tester.ping({ expiration: negativeExpiration() })) },
  { name: 'Ping/WrongPacketType', run: silent((tester) => tester.send(66, tester.pingData())) },
  {
    name: 'Ping/BondThenPingWithWrongFrom',
    async run(bench) {
      const tester = await bonded(bench)
      const hash = tester.ping({ from: NOWHERE })
      let packet = await tester.next()
      while (packet?.type === PACKET.findnode) packet = await tester.next()
      demand(packet !== undefined, 'want PONG, got nothing')
      tester.checkPong(packet, hash)
    },
  },
  {
    name: 'ENRRequest',
    async run(bench) {
      const tester = await bonded(bench)
      const hash = tester.send(PACKET.enrRequest, [soon()])
      const [requestHash, record] = (await tester.need(PACKET.enrResponse)).data
      demand(isRlpBytes(requestHash) && sameBytes(requestHash, hash), 'ENRRESPONSE names another request')
      const enr = isRlpList(record) ? decodeEnr(encodeRlp(record)) : undefined
      demand(enr !== undefined && !isFault(enr), 'ENRRESPONSE without a valid record')
      demand(enr.nodeId === bench.node.nodeId, `ENRRESPONSE with the record of ${enr.nodeId}`)
    },
  },
  {
    name: 'Findnode/WithoutEndpointProof',
    async run(bench) {
      const tester = await Discv4Tester.open(bench)
      tester.findnode(bench.bytes(64))
      await none(tester, PACKET.neighbors)
    },
  },
  {
    name: 'Findnode/BasicFindnode',
    async run(bench) {
      const tester = await bonded(bench)
      tester.findnode(bench.bytes(64))
      await tester.need(PACKET.neighbors)
    },
  },
  {
    name: 'Findnode/UnsolicitedNeighbors',
    async run(bench) {
      const tester = await bonded(bench)
      const fake = curve.publicKey(bench.key())
      tester.send(PACKET.neighbors, [[[...endpointItem({ ip: '1.2.3.4', port: 30303 }), fake]], soon()])
      tester.findnode(fake)
      const told = neighborsOf(await tester.need(PACKET.neighbors))
      demand(!told.some(({ publicKey }) => sameBytes(publicKey, fake)), 'NEIGHBORS with a node that nobody had asked for')
    },
  },
  {
    name: 'Findnode/PastExpiration',
    async run(bench) {
      const tester = await bonded(bench)
      tester.findnode(bench.bytes(64), negativeExpiration())
      await none(tester, PACKET.neighbors)
    },
  },
  {
    name: 'Amplification/InvalidPongHash',
    async run(bench) {
      const tester = await Discv4Tester.open(bench)
      tester.ping()
      await tester.greeting()
      tester.pong(new Uint8Array(32))
      tester.findnode(bench.bytes(64))
      await none(tester, PACKET.neighbors)
    },
  },
  {
    name: 'Amplification/WrongIP',
    async run(bench) {
      const tester = await bonded(bench)
      const elsewhere = await tester.alsoAt(ADDRESSES[1])
      elsewhere.findnode(bench.bytes(64))
      const packets = await elsewhere.rest()
      demand(packets.length === 0, `want silence, got ${namesOf(packets)}`)
    },
  },
  {
    name: 'Amplification/WrongIPOfAnother',
    async run(bench) {
      const another = await Discv4Tester.open(bench, ADDRESSES[1])
      await another.bond()
      const elsewhere = await (await bonded(bench)).alsoAt(ADDRESSES[1])
      elsewhere.findnode(bench.bytes(64))
      elsewhere.send(PACKET.enrRequest, [soon()])
      const packets = await elsewhere.rest()
      demand(packets.length === 0, `want silence, got ${namesOf(packets)}`)
    },
  },
  {
    name: 'Amplification/ENRRequestWithoutEndpointProof',
    async run(bench) {
      const tester = await Discv4Tester.open(bench)
      tester.send(PACKET.enrRequest, [soon()])
      await none(tester, PACKET.enrResponse)
    },
  },
  { name: 'Ping/Expired', run: silent((tester) => tester.ping({ expiration: soon(-20) })) },
  {
    name: 'Ping/MappedAddresses',
    run: answered((tester) => {
      const endpoint = endpointItem({ ip: mapped(tester.socket.endpoint.ip), port: tester.socket.endpoint.port })
      return { from: endpoint, to: endpoint }
    }),
  },
  {
    name: 'Packet/Largest',
    async run(bench) {
      const tester = await Discv4Tester.open(bench)
      const hash = tester.sendRaw(paddedPing(tester, 1280))
      const [pong] = await tester.greeting()
      tester.checkPong(pong, hash)
    },
  },
  { name: 'Packet/TooLarge', run: silent((tester) => tester.sendRaw(paddedPing(tester, 1281))) },
  { name: 'Packet/Junk', run: silent((tester, bench) => junk(tester, bench).forEach((bytes) => void tester.sendRaw(bytes))) },
  {
    name: 'Neighbors/UnsolicitedNotContacted',
    async run(bench) {
      const tester = await bonded(bench)
      const fake = await Discv4Bystander.open(bench)
      tester.send(PACKET.neighbors, [[fake.item()], soon()])
      await tester.rest()
      demand(!fake.isContacted, 'a node that nobody had asked for was contacted')
    },
  },
  { name: 'Findnode/SplitNeighbors', run: splitNeighbors },
  { name: 'Neighbors/TwoPackets', run: twoPackets },
  { name: 'Neighbors/LowPorts', run: lowPorts },
]

/** A node that knows more nodes than fit one packet tells of them in several, of 1280 bytes at most (§ 3.6, 24). */
async function splitNeighbors(bench: Bench): Promise<void> {
  for (const { tester } of await bystanders(bench, 24)) tester.ping()
  const asker = await bonded(bench)
  const end = performance.now() + bench.patienceMs
  for (;;) {
    asker.findnode(bench.bytes(64))
    const packets = (await asker.rest()).filter(({ type }) => type === PACKET.neighbors)
    const nodes = packets.flatMap(neighborsOf)
    demand(nodes.length <= 16, `${nodes.length} neighbors in one answer`)
    demand(
      packets.every((packet) => neighborsOf(packet).length <= 12),
      'more than 12 neighbors in a packet',
    )
    if (nodes.length > 12) return
    demand(performance.now() < end, `24 nodes that answer were made known ${bench.patienceMs} ms ago, and it tells of ${nodes.length}`)
    await pause(POLL_MS)
  }
}

/** An answer in two packets is taken as a whole: nodes of both are contacted (§ 3.6, 24). */
async function twoPackets(outer: Bench): Promise<void> {
  const bench = outer.another()
  const [first, second] = [await bystanders(bench, 12), await bystanders(bench, 4)]
  const bootnode = await Discv4Bystander.open(bench, () => [first.map((node) => node.item()), second.map((node) => node.item())])
  await bench.start([bootnode.tester.enode])
  const isContacted = (nodes: readonly Discv4Bystander[]): boolean => nodes.some((node) => node.isContacted)
  const tell = (): string => `nodes of both packets to be contacted; it has asked ${bootnode.count(PACKET.findnode)} times`
  await until(() => isContacted(first) && isContacted(second), bench.patienceMs, tell)
}

/** Nodes at ports that are not theirs to have are left out, and the others of the answer taken (§ 3.6, 26). */
async function lowPorts(outer: Bench): Promise<void> {
  const bench = outer.another()
  const good = await Discv4Bystander.open(bench)
  const socket = await lowSocket(bench)
  const port = socket?.endpoint.port ?? 1023
  const bad = [0, port].map((port) => [...endpointItem({ ip: ADDRESSES[0], port }), curve.publicKey(bench.key())])
  const bootnode = await Discv4Bystander.open(bench, () => [[...bad, good.item()]])
  await bench.start([bootnode.tester.enode])
  const tell = (): string => `the one good node of three to be contacted; it has asked ${bootnode.count(PACKET.findnode)} times`
  await until(() => good.isContacted, bench.patienceMs, tell)
  await pause(1000)
  await fence(bench)
  demand((await socket?.next(0)) === undefined, `it has sent to port ${port}`)
}

/** At the highest port below 1024 that is free; undefined where the system lets only root have one: then nobody listens there. */
export async function lowSocket(bench: Pick<Bench, 'socket'>): Promise<TesterSocket | undefined> {
  for (let port = 1023; port > 1000; port--) {
    const socket = await bench.socket(ADDRESSES[0], port).catch(() => undefined)
    if (socket !== undefined) return socket
  }
  return undefined
}

async function bystanders(bench: Bench, count: number): Promise<Discv4Bystander[]> {
  return await Promise.all(Array.from({ length: count }, () => Discv4Bystander.open(bench)))
}

/** A ping with nothing but its size to tell it from others: EIP-8 has what is behind the list ignored. */
function paddedPing(tester: Discv4Tester, sizeBytes: number): Uint8Array {
  const padded = new Uint8Array(sizeBytes - HEAD_BYTES)
  padded.set(encodeRlp(tester.pingData()))
  return seal(PACKET.ping, padded, tester.key)
}

/** An IPv4 address as IPv6 writes it (RFC 4291 § 2.5.5.2). */
function mapped(ip: string): Uint8Array {
  return Uint8Array.of(...new Uint8Array(10), 0xff, 0xff, ...ip.split('.').map(Number))
}

/** What nobody may answer: no packets, and packets that say nothing. */
function junk(tester: Discv4Tester, bench: Bench): Uint8Array[] {
  const ping = seal(PACKET.ping, encodeRlp(tester.pingData()), tester.key)
  const sealed = (type: number, data: readonly number[]): Uint8Array => seal(type, Uint8Array.from(data), tester.key)
  const wrongHash = ping.slice()
  wrongHash[0] = (wrongHash[0] ?? 0) ^ 1
  return [
    ...[0, 1, 31, 62, 63, 97, 98, 99, 500, 1280, 1281, 4000].map((length) => bench.bytes(length)),
    ...[0, 1, 97, 98, 1280].map((length) => new Uint8Array(length)),
    ping.subarray(0, ping.length - 1),
    wrongHash,
    withHash(Uint8Array.of(...new Uint8Array(65), ...ping.subarray(HEAD_BYTES - 1))), // nobody's signature
    withHash(Uint8Array.of(...new Uint8Array(65).fill(0xff), ...ping.subarray(HEAD_BYTES - 1))),
    ...[PACKET.ping, PACKET.pong, PACKET.findnode, PACKET.neighbors, PACKET.enrRequest, PACKET.enrResponse].flatMap((type) => [
      sealed(type, []), // no data
      sealed(type, [0xc0]), // an empty list
      sealed(type, [0x83, 1, 2, 3]), // bytes
      sealed(type, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), // a list of 2^64 − 1 bytes
      sealed(type, new Array(1000).fill(0xc1)), // lists within lists
    ]),
  ]
}
