import { curve, decodeEnr, type Enr, encodeRlp, isRlpList, rlpUint, signEnr } from '@kumiko/identity'
import { isFault } from '@kumiko/interface'
import { ADDRESSES, type Bench } from './bench.ts'
import type { Check } from './check.ts'
import { demand, pause, until } from './demand.ts'
import { Discv5Bystander, distanceOf, recordItem } from './discv5-bystander.ts'
import { concat, FLAG, headerOf, maskPacket } from './discv5-packet.ts'
import { Discv5Tester, fence, type HandshakeForm, MESSAGE, type Message, namesOf, same } from './discv5-tester.ts'

const FIND_TRIES = 5
const FIND_PAUSE_MS = 2000
/** NODES messages in one answer at most. */
const NODES_MAX = 6

const TALK = Buffer.from('test-protocol')

/** go-ethereum's 10 tests of discv5, and what none of them looks at. */
export const discv5Checks: readonly Check[] = [
  {
    name: 'Ping',
    async run(bench) {
      const tester = await Discv5Tester.open(bench)
      tester.checkPong(await tester.ask(MESSAGE.ping, [1], MESSAGE.pong))
    },
  },
  {
    name: 'PingLargeRequestID',
    async run(bench) {
      const tester = await Discv5Tester.open(bench)
      tester.send(MESSAGE.ping, [])
      tester.handshake(await tester.needWhoareyou(), MESSAGE.ping, [bench.bytes(9), 1])
      noAnswer(await tester.rest())
    },
  },
  {
    name: 'PingMultiIP',
    async run(bench) {
      const here = await Discv5Tester.open(bench)
      here.checkPong(await here.ask(MESSAGE.ping, [1], MESSAGE.pong))
      const there = await here.alsoAt(ADDRESSES[1])
      const requestId = bench.bytes(8)
      there.send(MESSAGE.ping, [requestId, 1])
      there.handshake(await there.needWhoareyou(), MESSAGE.ping, [requestId, 1])
      const pong = await there.next()
      demand(pong?.kind === 'message' && pong.type === MESSAGE.pong, `want PONG, got ${pong?.name ?? 'nothing'}`)
      there.checkPong(pong)
      await here.rest() // what it may have asked there meanwhile
      here.send(MESSAGE.ping, [bench.bytes(8), 1])
      await here.needWhoareyou()
    },
  },
  {
    name: 'HandshakeResend',
    async run(bench) {
      const tester = await Discv5Tester.open(bench)
      tester.send(MESSAGE.ping, [])
      const first = await tester.needWhoareyou()
      tester.send(MESSAGE.ping, [])
      const second = await tester.needWhoareyou()
      demand(same(first.nonce, second.nonce), 'the second WHOAREYOU has another nonce')
      demand(same(first.challengeData, second.challengeData), 'the second WHOAREYOU has other challenge-data')
    },
  },
  {
    name: 'TalkRequest',
    async run(bench) {
      const tester = await Discv5Tester.open(bench)
      for (const requestId of [bench.bytes(8), new Uint8Array(0)]) {
        const { data } = await tester.ask(MESSAGE.talkRequest, [TALK, new Uint8Array()], MESSAGE.talkResponse, requestId)
        demand(same(encodeRlp(data), encodeRlp([new Uint8Array()])), 'TALKRESP of an unknown protocol with a message')
      }
    },
  },
  {
    name: 'FindnodeWrongIP',
    async run(bench) {
      const here = await Discv5Tester.open(bench)
      await here.ask(MESSAGE.ping, [1], MESSAGE.pong)
      const there = await here.alsoAt(ADDRESSES[1])
      there.send(MESSAGE.findnode, [bench.bytes(8), [0]])
      await there.needWhoareyou()
    },
  },
  {
    name: 'FindnodeHandshake',
    async run(bench) {
      const tester = await Discv5Tester.open(bench)
      const nonce = tester.send(MESSAGE.findnode, [])
      const whoareyou = await tester.needWhoareyou()
      demand(same(whoareyou.nonce, nonce), 'WHOAREYOU answers another packet')
      const requestId = bench.bytes(8)
      tester.handshake(whoareyou, MESSAGE.findnode, [requestId, [0]])
      let packet = await tester.next()
      while (packet?.kind === 'message' && packet.type === MESSAGE.ping) packet = await tester.next()
      demand(packet?.kind === 'message' && packet.type === MESSAGE.nodes, `want NODES, got ${packet?.name ?? 'nothing'}`)
      demand(same(packet.requestId, requestId), 'NODES with another request id')
    },
  },
  {
    name: 'FindnodeZeroDistance',
    async run(bench) {
      const nodes = await findNodes(await Discv5Tester.open(bench), [0])
      demand(nodes.length === 1, `want one node, got ${nodes.length}`)
      demand(nodes[0]?.nodeId === bench.node.nodeId, `want its own record, got that of ${nodes[0]?.nodeId}`)
    },
  },
  { name: 'FindnodeResults', run: findnodeResults },
  {
    name: 'UnsolicitedNodes',
    async run(bench) {
      const tester = await Discv5Tester.open(bench)
      await tester.ask(MESSAGE.ping, [1], MESSAGE.pong)
      const fake = await Discv5Bystander.open(bench)
      const { record } = fake.tester
      tester.send(MESSAGE.nodes, [bench.bytes(8), 1, [recordItem(record)]])
      await tester.rest()
      const nodes = await findNodes(await Discv5Tester.open(bench), [distanceOf(record, bench.node)])
      demand(!nodes.some(({ nodeId }) => nodeId === record.nodeId), 'NODES with a node that nobody had asked for')
      demand(fake.packets === 0, 'a node that nobody had asked for was contacted')
    },
  },
  { name: 'Handshake/WrongSignature', run: refused((bench) => ({ signer: bench.key() })) },
  {
    name: 'Handshake/WrongRecord', // and signed as by its owner
    run: refused((bench) => {
      const signer = bench.key()
      return { signer, record: signEnr(signer, 1n, {}).bytes }
    }),
  },
  {
    name: 'Handshake/BrokenRecord',
    run: refused((_bench, { record }) => ({ record: record.bytes.map((byte, at) => (at === record.bytes.length - 1 ? byte ^ 1 : byte)) })),
  },
  { name: 'Handshake/NoRecord', run: refused(() => ({ record: new Uint8Array(0) })) },
  {
    name: 'Handshake/Unasked',
    async run(bench) {
      const tester = await Discv5Tester.open(bench)
      tester.handshake({ challengeData: bench.bytes(63) }, MESSAGE.ping, [bench.bytes(8), 1])
      silence(await tester.rest())
    },
  },
  {
    name: 'Handshake/Repeated',
    async run(bench) {
      const tester = await Discv5Tester.open(bench)
      tester.send(MESSAGE.ping, [])
      const datagram = tester.handshake(await tester.needWhoareyou(), MESSAGE.ping, [bench.bytes(8), 1])
      tester.socket.send(datagram, bench.endpoint)
      const pongs = (await tester.rest()).filter((packet) => packet.kind === 'message' && packet.type === MESSAGE.pong)
      demand(pongs.length === 1, `want one PONG, got ${pongs.length}`)
    },
  },
  {
    name: 'Packet/Junk',
    async run(bench) {
      const tester = await Discv5Tester.open(bench)
      for (const bytes of junk(bench, tester)) tester.socket.send(bytes, bench.endpoint)
      silence(await tester.rest())
    },
  },
  {
    name: 'Message/Junk',
    async run(bench) {
      const tester = await Discv5Tester.open(bench)
      await tester.ask(MESSAGE.ping, [1], MESSAGE.pong)
      for (let type = 0; type < 256; type = type < 8 ? type + 1 : type + 31) tester.send(type, [])
      for (const type of Object.values(MESSAGE)) tester.send(type, [bench.bytes(8), [[]], [[]], [[]]])
      noAnswer(await tester.rest())
      await tester.ask(MESSAGE.ping, [1], MESSAGE.pong)
    },
  },
  { name: 'Nodes/TotalZero', run: totalZero },
  { name: 'Nodes/TotalTooHigh', run: totalTooHigh },
  { name: 'Nodes/WrongDistance', run: wrongDistance },
]

/** Asks one node. @throws CheckFailure for more messages than there may be, and records that do not hold. */
async function findNodes(tester: Discv5Tester, distances: readonly number[]): Promise<Enr[]> {
  const first = await tester.ask(MESSAGE.findnode, [distances], MESSAGE.nodes)
  const total = rlpUint(first.data[0], 1) ?? 0
  demand(total >= 1 && total <= NODES_MAX, `NODES in ${total} messages`)
  const nodes = recordsIn(first)
  for (let count = 1; count < total; ) {
    const packet = await tester.next()
    demand(packet !== undefined, `NODES in ${total} messages, of which ${count} came`)
    if (packet.kind !== 'message' || packet.type !== MESSAGE.nodes || !same(packet.requestId, first.requestId)) continue
    nodes.push(...recordsIn(packet))
    count++
  }
  return nodes
}

function recordsIn({ data: [, list] }: Message): Enr[] {
  demand(isRlpList(list), 'NODES without a list')
  return list.map((item) => {
    const enr = decodeEnr(encodeRlp(item))
    demand(!isFault(enr), 'NODES with a record that does not hold')
    return enr
  })
}

/** Five nodes ping the target, are pinged back, and told of to whoever asks. */
async function findnodeResults(bench: Bench): Promise<void> {
  const bystanders: Discv5Bystander[] = []
  for (let count = 0; count < 5; count++) bystanders.push(await Discv5Bystander.open(bench, { greets: true }))
  const isMet = (bystander: Discv5Bystander): boolean => bystander.count(MESSAGE.ping) > 0
  await until(
    () => bystanders.every(isMet),
    bench.patienceMs,
    () => `5 nodes to be pinged, ${bystanders.filter(isMet).length} were`,
  )
  const records = bystanders.map(({ tester }) => tester.record)
  const distances = [...new Set(records.map((record) => distanceOf(record, bench.node)))]
  const asker = await Discv5Tester.open(bench)
  let missing = records.length
  for (let tries = 0; tries < FIND_TRIES; tries++) {
    if (tries > 0) await pause(FIND_PAUSE_MS)
    const found = new Set((await findNodes(asker, distances)).map(({ nodeId }) => nodeId))
    missing = records.filter(({ nodeId }) => !found.has(nodeId)).length
    if (missing === 0) return
  }
  demand(false, `of 5 nodes that it knows, it does not tell of ${missing}`)
}

/** A handshake that must not make a session: no PONG comes, and the keys are not known afterwards. */
function refused(form: (bench: Bench, tester: Discv5Tester) => HandshakeForm): Check['run'] {
  return async (bench) => {
    const tester = await Discv5Tester.open(bench)
    tester.send(MESSAGE.ping, [])
    tester.handshake(await tester.needWhoareyou(), MESSAGE.ping, [bench.bytes(8), 1], form(bench, tester))
    noAnswer(await tester.rest())
    tester.send(MESSAGE.ping, [bench.bytes(8), 1])
    await tester.needWhoareyou()
  }
}

/** A total of 0 keeps nobody waiting for ever: the node goes on asking (§ 3.6, 30). */
async function totalZero(outer: Bench): Promise<void> {
  const bench = outer.another()
  const bootnode = await Discv5Bystander.open(bench, { nodes: () => [{ total: 0, records: [] }] })
  await bench.start([bootnode.tester.recordText])
  await until(
    () => bootnode.count(MESSAGE.findnode) >= 2,
    bench.patienceMs,
    () => `a second FINDNODE, ${bootnode.count(MESSAGE.findnode)} came`,
  )
  await fence(bench)
}

/** Nor does a total beyond what is allowed; what came is taken (§ 3.6, 31). */
async function totalTooHigh(outer: Bench): Promise<void> {
  const bench = outer.another()
  const others = await strangers(bench)
  const bootnode: Discv5Bystander = await Discv5Bystander.open(bench, {
    nodes: (distances) => [{ total: 255, records: at(distances, others, bootnode) }],
  })
  await bench.start([bootnode.tester.recordText])
  await until(() => others.some(({ packets }) => packets > 0), bench.patienceMs, 'a node told of in one message of 255 to be contacted')
  await until(() => bootnode.count(MESSAGE.findnode) >= 2, bench.patienceMs, 'a second FINDNODE')
}

/** A record of a distance that was not asked for is left out, and the others taken (§ 3.6, 32). */
async function wrongDistance(outer: Bench): Promise<void> {
  const bench = outer.another()
  const [others, wrong] = [await strangers(bench), await strangers(bench)]
  const wronglyTold = new Set<Discv5Bystander>()
  const bootnode: Discv5Bystander = await Discv5Bystander.open(bench, {
    nodes: (distances) => {
      const liars = wrong.filter(({ tester }) => !distances.includes(distanceOf(tester.record, bootnode.tester.record))).slice(0, 3)
      for (const liar of liars) wronglyTold.add(liar)
      return [{ total: 1, records: [...liars.map(({ tester }) => tester.record), ...at(distances, others, bootnode).slice(0, 1)] }]
    },
  })
  await bench.start([bootnode.tester.recordText])
  const isDone = (): boolean => wronglyTold.size > 0 && others.some(({ packets }) => packets > 0)
  await until(isDone, bench.patienceMs, 'a node at a distance that was asked for to be contacted')
  await pause(1000)
  await fence(bench)
  demand(![...wronglyTold].some(({ packets }) => packets > 0), 'a node at another distance than those asked for was contacted')
}

/** Enough nodes for each of the far distances to have some. */
async function strangers(bench: Bench): Promise<Discv5Bystander[]> {
  return await Promise.all(Array.from({ length: 16 }, () => Discv5Bystander.open(bench)))
}

/** Records, three at most, of those that are at some distances from a node. */
function at(distances: readonly number[], others: readonly Discv5Bystander[], from: Discv5Bystander): Enr[] {
  const records = others.map(({ tester }) => tester.record)
  return records.filter((record) => distances.includes(distanceOf(record, from.tester.record))).slice(0, 3)
}

/** What nobody may answer: no packets to the target. */
function junk(bench: Bench, tester: Discv5Tester): Uint8Array[] {
  const target = new Uint8Array(Buffer.from(bench.node.nodeId, 'hex'))
  const header = (flag: number, authdata: Uint8Array): Uint8Array => headerOf(flag, bench.bytes(16), bench.bytes(12), authdata)
  const message = header(FLAG.message, tester.id)
  const masked = (clear: Uint8Array, sealedBytes = 44): Uint8Array => maskPacket(clear, bench.bytes(sealedBytes), target)
  const changed = (at: number, by: number): Uint8Array => message.map((byte, index) => (index === at ? byte ^ by : byte))
  return [
    ...[0, 1, 16, 39, 62, 63, 64, 500, 1280, 1281, 4000].map((length) => bench.bytes(length)),
    ...[0, 1, 63, 1280].map((length) => new Uint8Array(length)),
    masked(message).subarray(0, 62),
    masked(message, 0).subarray(0, 70), // cut within the authdata
    maskPacket(message, bench.bytes(44), bench.bytes(32)), // to somebody else
    ...[16, 21].map((at) => masked(changed(at, 1))), // another protocol-id
    masked(changed(23, 1)), // version 0
    masked(changed(24, 3)), // flag 3
    masked(changed(24, 0xff)),
    masked(changed(38, 0x3f)), // authdata of 31 bytes
    masked(changed(37, 0xff)), // authdata longer than the packet
    masked(header(FLAG.message, tester.id.subarray(1))),
    masked(header(FLAG.message, concat(tester.id, tester.id))),
    masked(header(FLAG.whoareyou, bench.bytes(24)), 0), // answers nothing that it has sent
    masked(header(FLAG.whoareyou, bench.bytes(23)), 0),
    masked(header(FLAG.whoareyou, bench.bytes(24)), 16),
    masked(header(FLAG.handshake, tester.id)),
    masked(header(FLAG.handshake, concat(tester.id, Uint8Array.of(64, 33), curve.compress(curve.publicKey(tester.key))))),
    masked(header(FLAG.handshake, concat(tester.id, Uint8Array.of(255, 255), bench.bytes(97)))),
  ]
}

function silence(packets: Parameters<typeof namesOf>[0]): void {
  demand(packets.length === 0, `want silence, got ${namesOf(packets)}`)
}

/** There may be questions, and WHOAREYOU, but no answer. */
function noAnswer(packets: Parameters<typeof namesOf>[0]): void {
  const answers = packets.filter((packet) => packet.kind === 'message' && packet.type % 2 === 0)
  demand(answers.length === 0, `want no answer, got ${namesOf(packets)}`)
}
