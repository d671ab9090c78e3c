import { curve, decodeEnr, nodeIdOf, toHex } from '@kumiko/identity'
import { isFault } from '@kumiko/interface'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { encodePacket, hashOf, type Packet, sealPacket } from '../src/packet.ts'
import { BareNode, PORT, TestNetwork, type TestNode } from './nodes.ts'

/** What go-ethereum's `devp2p discv4 test` asks of a node, one case after the other. @see go-ethereum cmd/devp2p/internal/v4test */
describe("go-ethereum's conformance suite, in words", () => {
  let test: TestNetwork
  let node: TestNode
  let tester: BareNode

  beforeEach(async () => {
    test = new TestNetwork({ latencyMs: 1 })
    node = await test.started()
    tester = new BareNode(test, node)
    await test.clock.advance(5000)
  })

  afterEach(async () => {
    await test.end()
    expect(test.clock.pending).toBe(0)
  })

  /** The suite waits so long for each answer. */
  const answered = (): Promise<void> => test.clock.advance(300)

  function expectPongAndPing(pingBytes: Uint8Array): void {
    expect(tester.types.toSorted()).toEqual(['ping', 'pong'])
    const pong = tester.heard.find(({ packet }) => packet.type === 'pong')?.packet
    expect(pong).toMatchObject({ pingHash: hashOf(pingBytes), to: { ip: tester.ip, udp: PORT } })
    for (const { packet } of tester.heard) {
      expect('expiration' in packet && packet.expiration * 1000 > test.clock.now()).toBe(true)
    }
    for (const signer of tester.signers()) expect(nodeIdOf(signer!)).toBe(node.identity.nodeId)
  }

  const nowhere = { ip: '192.0.2.0', udp: 0, tcp: 0 }

  it.each([
    ['Basic', {}],
    ['WrongTo', { to: nowhere }],
    ['WrongFrom', { from: nowhere }],
  ])('Ping/%s: one pong and one ping back', async (_, change) => {
    const ping = tester.ping(change)
    await answered()
    expectPongAndPing(ping)
    await test.clock.advance(2000)
    expect(tester.heard).toHaveLength(2)
  })

  it.each([
    ['ExtraData', {}],
    ['ExtraDataWrongFrom', { from: nowhere }],
  ])('Ping/%s', async (_, change) => {
    const from = { ip: tester.ip, udp: PORT, tcp: PORT }
    const packet: Packet = { type: 'ping', version: 4, from, to: nowhere, expiration: tester.expiration, enrSeq: 42n, ...change }
    const data = encodePacket(packet, tester.secretKey).subarray(98)
    const extra = Uint8Array.of(0xc0 + data.length - 1 + 4, ...data.subarray(1), 0x83, 0x66, 0x6f, 0x6f)
    const ping = sealPacket(1, extra, tester.secretKey)
    tester.send(ping)
    await answered()
    expectPongAndPing(ping)
  })

  it('Ping/PastExpiration: silence', async () => {
    const expiration = -tester.expiration
    const ping = { type: 'ping' as const, version: 4, from: nowhere, to: nowhere, expiration: 0, enrSeq: undefined }
    const data = encodePacket(ping, tester.secretKey).subarray(98)
    // As the suite writes it: the negative number in 64 bits.
    const bytes = new Uint8Array(9)
    bytes[0] = 0x88
    new DataView(bytes.buffer).setBigInt64(1, BigInt(expiration))
    tester.send(sealPacket(1, Uint8Array.of(0xc0 + data.length + 7, ...data.subarray(1, -1), ...bytes), tester.secretKey))
    await answered()
    expect([tester.types, node.faults]).toEqual([[], [{ fault: 'discv4/expired' }]])
  })

  it('Ping/WrongPacketType: silence', async () => {
    tester.send(sealPacket(66, encodePacket(pingOf(), tester.secretKey).subarray(98), tester.secretKey))
    await answered()
    expect(tester.types).toEqual([])
  })

  const pingOf = (): Packet => ({ type: 'ping', version: 4, from: nowhere, to: nowhere, expiration: tester.expiration, enrSeq: undefined })

  it('Ping/BondThenPingWithWrongFrom: a pong', async () => {
    await tester.bond()
    tester.ping({ from: nowhere })
    await answered()
    expect(tester.types).toEqual(['pong'])
  })

  it('ENRRequest: the record comes next', async () => {
    await tester.bond()
    const request = tester.say({ type: 'enrrequest', expiration: tester.expiration })
    await answered()
    expect(tester.types).toEqual(['enrresponse'])
    const [heard] = tester.heard
    if (heard?.packet.type !== 'enrresponse') throw new Error('no record')
    expect(heard.packet.requestHash).toEqual(hashOf(request))
    const enr = decodeEnr(heard.packet.record)
    expect(isFault(enr) ? enr : enr.nodeId).toBe(node.identity.nodeId)
  })

  it('Findnode/WithoutEndpointProof: no neighbors', async () => {
    tester.findnode(curve.publicKey(test.key()))
    await answered()
    expect(tester.types).toEqual([])
  })

  it('Findnode/BasicFindnode: neighbors come next', async () => {
    await tester.bond()
    tester.findnode(curve.publicKey(test.key()))
    await answered()
    expect(tester.types).toEqual(['neighbors'])
  })

  it('Findnode/UnsolicitedNeighbors: not told of again', async () => {
    await tester.bond()
    const fake = { ip: '7.7.7.7', udp: 30303, tcp: 30303, publicKey: curve.publicKey(test.key()) }
    tester.say({ type: 'neighbors', nodes: [fake], expiration: tester.expiration })
    await answered()
    tester.findnode(fake.publicKey)
    await answered()
    expect(tester.types).toEqual(['neighbors'])
    const packet = tester.heard[0]?.packet
    expect(packet?.type === 'neighbors' && packet.nodes.map(({ publicKey }) => toHex(publicKey))).not.toContain(toHex(fake.publicKey))
    expect(node.faults).toEqual([{ fault: 'discv4/unsolicited' }])
  })

  it('Findnode/PastExpiration: no neighbors', async () => {
    await tester.bond()
    tester.findnode(tester.publicKey, tester.expiration - 40)
    await answered()
    expect(tester.types).toEqual([])
  })

  it('Amplification/InvalidPongHash: no neighbors', async () => {
    tester.ping()
    await answered()
    tester.pong(new Uint8Array(32))
    await answered()
    tester.findnode(tester.publicKey)
    await answered()
    expect(tester.types.toSorted()).toEqual(['ping', 'pong'])
  })

  it('Amplification/WrongIP: nothing at all', async () => {
    await tester.bond()
    const elsewhere = new BareNode(test, node, '6.6.6.7', tester.secretKey)
    elsewhere.findnode(tester.publicKey)
    await test.clock.advance(900)
    expect([elsewhere.types, tester.types]).toEqual([[], []])
  })

  it('sends nothing of its own for a second after a fresh bond, then asks who came', async () => {
    await tester.bond()
    await test.clock.advance(900)
    expect(tester.types).toEqual([])
    await test.clock.advance(20_000)
    expect(tester.types).toContain('ping')
  })
})
