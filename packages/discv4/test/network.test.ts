import { curve, encodeRlp, enrOf, nodeFromParts, nodeIdOf } from '@kumiko/identity'
import { type NodeDatabase, type NodeRecord, nodeDatabaseSymbol } from '@kumiko/interface'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { BareNode, PORT, TestNetwork, type TestNode } from './nodes.ts'
import { recordOf } from './remote.ts'

let test: TestNetwork

beforeEach(() => {
  test = new TestNetwork({ jitterMs: 20 })
})

afterEach(async () => {
  await test.end()
  // What is still under way arrives nowhere.
  await test.clock.advance(200)
  expect([test.clock.pending, test.network.connections]).toEqual([0, 0])
})

const idsOf = (nodes: readonly { nodeId: string }[]): string[] => nodes.map(({ nodeId }) => nodeId).sort()
const others = (nodes: readonly TestNode[], self: TestNode): string[] =>
  idsOf(nodes.filter((node) => node !== self).map(({ identity }) => identity))

describe('a small network', () => {
  it('forms from one bootnode: each finds all others, in time by their records', async () => {
    const nodes = await test.neighbours(10)
    await test.clock.advance(20_000)
    for (const node of nodes) {
      const found = await test.during(node.discovery.lookup(node.identity.publicKey))
      expect(idsOf(found)).toEqual(others(nodes, node))
    }
    await test.clock.advance(130_000)
    for (const { discovery } of nodes) {
      expect(discovery.known()).toHaveLength(9)
      expect(discovery.known().every(({ seq }) => seq > 0n)).toBe(true)
    }
  })

  it('forms though one packet in five is lost', async () => {
    test = new TestNetwork({ loss: 0.2, jitterMs: 50 })
    const nodes = await test.neighbours(8)
    await test.clock.advance(60_000)
    for (const node of nodes) {
      const found = await test.during(node.discovery.lookup(node.identity.publicKey))
      expect(idsOf(found)).toEqual(others(nodes, node))
    }
  })

  it('answers a lookup with the nearest of many', async () => {
    const nodes = await test.neighbours(24)
    await test.clock.advance(20_000)
    const target = nodes[20]!.identity
    const found = await test.during(nodes[7]!.discovery.lookup(target.publicKey))
    expect([found.length, found[0]?.nodeId]).toEqual([16, target.nodeId])
  })

  it('is walked through by a node source, and shown to libp2p', async () => {
    const nodes = await test.neighbours(6)
    const [bootnode, node] = [nodes[0]!, nodes[5]!]
    const told = new Set<string>()
    node.discovery.addEventListener('peer', ({ detail }) => told.add(detail.id.toString()))
    await test.clock.advance(20_000)
    const met = new Set<string>()
    await test.during(
      (async () => {
        for await (const { nodeId } of node.discovery.nodes()) if (met.add(nodeId).size === 5) return
      })(),
    )
    expect([...met].sort()).toEqual(others(nodes, node))
    expect(told.size).toBe(5)
    expect((await test.during(node.discovery.findPeer(bootnode.identity.peerId))).multiaddrs.map(String)).toEqual([
      `/ip4/${bootnode.ip}/tcp/${PORT}/rlpx/p2p/${bootnode.identity.peerId}`,
    ])
    await expect(test.during(node.discovery.findPeer((await test.make()).identity.peerId))).rejects.toThrow('no node')
  })
})

describe('questions to one node', () => {
  let node: TestNode
  let other: TestNode

  beforeEach(async () => {
    node = await test.started()
    other = await test.started()
  })

  it('ping: how long it took, and where it sees us', async () => {
    expect(await test.during(node.discovery.ping(other.enode))).toEqual({
      rttMs: expect.closeTo(40, -2),
      endpoint: { ip: node.ip, udp: PORT, tcp: PORT },
      enrSeq: other.identity.record.seq,
    })
  })

  it('requestEnr: its record', async () => {
    const record = await test.during(node.discovery.requestEnr(other.enode))
    expect([record?.nodeId, record?.seq]).toEqual([other.identity.nodeId, other.identity.record.seq])
  })

  it('findNode: those near a target', async () => {
    const third = await test.started({ bootnodes: [other.enode] })
    await test.clock.advance(10_000)
    const found = await test.during(node.discovery.findNode(other.enode, third.identity.publicKey))
    expect(found?.map(({ nodeId }) => nodeId)).toEqual([third.identity.nodeId])
  })

  it('resolve: its newest record, also where it has moved', async () => {
    await test.clock.advance(2000)
    other.identity.record.setEntries({ eth: encodeRlp([1]) })
    const resolved = await test.during(node.discovery.resolve(other.enode))
    expect([resolved.seq, resolved.entry('eth')]).toEqual([other.identity.record.seq, encodeRlp([1])])
    const later = recordOf(other.identity.secretKey, other.ip, resolved.seq + 1n)
    expect(await test.during(node.discovery.resolve(later))).toBe(later)
    const gone = nodeFromParts({ publicKey: other.identity.publicKey, endpoints: [{ host: '9.9.9.9', udp: 9999 }] })
    const third = await test.started({ bootnodes: [node.enode, other.enode] })
    await test.clock.advance(10_000)
    expect((await test.during(third.discovery.resolve(gone))).endpoints).toEqual(other.enode.endpoints)
  })

  it('are not answered by whom there is not, nor by another in its place', async () => {
    const nobody = nodeFromParts({ publicKey: curve.compress(curve.publicKey(test.key())), endpoints: other.enode.endpoints })
    expect(await test.during(node.discovery.ping(nobody))).toBeUndefined()
    expect(await test.during(node.discovery.requestEnr(nobody))).toBeUndefined()
    expect(await test.during(node.discovery.findNode(nobody, nobody.publicKey))).toBeUndefined()
    expect(await test.during(node.discovery.resolve(nobody))).toBe(nobody)
  })

  it('are refused where they cannot be meant, and end with the signal and with the stop', async () => {
    const nowhere = nodeFromParts({ publicKey: other.identity.publicKey })
    await expect(node.discovery.ping(nowhere)).rejects.toMatchObject({ code: 'discv4/no-endpoint' })
    await expect(node.discovery.lookup(new Uint8Array(32))).rejects.toMatchObject({ code: 'discv4/bad-target' })
    const controller = new AbortController()
    const aborted = expect(node.discovery.ping(other.enode, { signal: controller.signal })).rejects.toThrow('enough')
    controller.abort(new Error('enough'))
    await aborted
    const silent = nodeFromParts({ publicKey: other.identity.publicKey, endpoints: [{ host: '9.9.9.9', udp: 9999 }] })
    const open = [node.discovery.ping(silent), node.discovery.findNode(silent, silent.publicKey)]
    await node.stop()
    expect(await Promise.all(open)).toEqual([undefined, undefined])
    await expect(node.discovery.ping(other.enode)).rejects.toMatchObject({ code: 'discv4/not-running' })
  })
})

describe('a node', () => {
  it('announces its UDP port while it runs', async () => {
    const node = await test.make()
    const udp = (): number | undefined => node.identity.record.node.endpoints[0]?.udp
    expect(udp()).toBeUndefined()
    await node.start()
    expect(udp()).toBe(PORT)
    await node.stop()
    expect([udp(), node.identity.record.node.endpoints[0]?.tcp]).toEqual([undefined, PORT])
  })

  it('learns where others see it', async () => {
    const node = await test.make()
    node.identity.record.setFallback(4, '127.0.0.1')
    const peers = await Promise.all(Array.from({ length: 10 }, () => test.started()))
    await node.start()
    for (const peer of peers) await test.during(node.discovery.ping(peer.enode))
    expect(node.identity.record.node.endpoints).toEqual([{ host: node.ip, udp: PORT, tcp: PORT }])
  })

  it('keeps to its networks: nobody outside is asked, answered or taken', async () => {
    const [inside, outside] = [await test.started({}, { ip: '10.0.0.2' }), await test.started({}, { ip: '8.8.4.4' })]
    const node = await test.started({ netRestrict: '10.0.0.0/8', bootnodes: [inside.enode, outside.enode] }, { ip: '10.0.0.1' })
    await test.during(outside.discovery.ping(node.enode))
    await test.clock.advance(30_000)
    expect(idsOf(node.discovery.known())).toEqual([inside.identity.nodeId])
    expect(outside.discovery.status().received.ping).toBe(0)
    expect(node.discovery.status().faults).toMatchObject({ 'discv4/net-restricted': expect.any(Number) })
    await expect(node.discovery.ping(outside.enode)).rejects.toMatchObject({ code: 'discv4/no-endpoint' })
  })

  it('without a record is known by its endpoint, and by its record once it has one', async () => {
    const node = await test.started()
    await test.clock.advance(2000)
    const bare = new BareNode(test, node)
    await bare.bond()
    const keepUp = async (forMs: number): Promise<void> => {
      for (let passed = 0; passed < forMs; passed += 100) {
        await test.clock.advance(100)
        for (const { packet, hash } of bare.heard.splice(0)) if (packet.type === 'ping') bare.pong(hash)
      }
    }
    await keepUp(20_000)
    expect(node.discovery.known()).toMatchObject([
      { nodeId: nodeIdOf(bare.publicKey), seq: 0n, endpoints: [{ host: bare.ip, udp: PORT, tcp: PORT }] },
    ])
    bare.close()
    const same = await test.started({}, { secretKey: bare.secretKey, ip: bare.ip })
    await test.during(same.discovery.ping(node.enode))
    await test.clock.advance(20_000)
    expect(node.discovery.known()).toMatchObject([{ nodeId: same.identity.nodeId, seq: same.identity.record.seq }])
    expect(node.discovery.status()).toMatchObject({ isRunning: true, isReady: true, nodes: 1, faults: {} })
  })

  it('whose record says that it is where it cannot be is known by its endpoint', async () => {
    const node = await test.started()
    const liar = await test.make()
    liar.identity.record.setStaticIp(4, '192.168.1.1')
    await liar.start()
    await test.clock.advance(2000)
    await test.during(liar.discovery.ping(node.enode))
    await test.clock.advance(30_000)
    expect(node.discovery.known()).toMatchObject([{ nodeId: liar.identity.nodeId, seq: 0n, endpoints: [{ host: liar.ip }] }])
    // Its record was asked for once as it came, and at most once again as it was checked.
    expect(node.discovery.status().sent.enrrequest).toBeLessThanOrEqual(2)
  })

  it('whose record says that it is elsewhere is not taken to have proved that', async () => {
    const node = await test.started()
    const mover = await test.make()
    mover.identity.record.setStaticIp(4, '9.9.9.9')
    await mover.start()
    await test.clock.advance(2000)
    await test.during(mover.discovery.ping(node.enode))
    const hosts = new Set<string | undefined>()
    for (let step = 0; step < 100; step++) {
      await test.clock.advance(100)
      for (const { endpoints } of node.discovery.known()) hosts.add(endpoints[0]?.host)
    }
    expect([...hosts]).not.toContain('9.9.9.9')
  })

  it('that came is known by its record a second later', async () => {
    const [node, other] = [await test.started(), await test.started()]
    await test.clock.advance(2000)
    await test.during(other.discovery.ping(node.enode))
    await test.clock.advance(1100)
    expect(node.discovery.known()).toMatchObject([{ nodeId: other.identity.nodeId, seq: other.identity.record.seq }])
  })

  it('that has moved and comes again is asked for its record where it is, not where it was', async () => {
    const [node, other] = [await test.started(), await test.started()]
    await test.clock.advance(2000)
    await test.during(other.discovery.ping(node.enode))
    await test.clock.advance(1100)
    await other.stop()
    const moved = await test.started({}, { secretKey: other.identity.secretKey })
    await test.during(moved.discovery.ping(node.enode))
    await test.clock.advance(1100)
    expect(node.discovery.known()).toMatchObject([{ seq: moved.identity.record.seq, endpoints: [{ host: moved.ip }] }])
  })

  it('whose number is ever higher than its record is not asked again and again', async () => {
    const node = await test.started()
    const liar = new BareNode(test, node)
    await test.clock.advance(2000)
    await liar.bond()
    const record = enrOf(recordOf(liar.secretKey, liar.ip, 5n))!.bytes
    for (let passed = 0; passed < 10_000; passed += 100) {
      if (passed % 1000 === 0) liar.ping({ enrSeq: 1000n })
      await test.clock.advance(100)
      for (const { packet, hash } of liar.heard.splice(0)) {
        if (packet.type === 'ping') liar.pong(hash)
        if (packet.type === 'enrrequest') liar.say({ type: 'enrresponse', requestHash: hash, record })
      }
    }
    expect(node.discovery.known()).toMatchObject([{ seq: 5n }])
    // Its record is had with the first, and is known to be no newer with the second.
    expect(node.discovery.status().sent.enrrequest).toBe(2)
    liar.close()
  })

  it('tells its record whom it sent to, and its log that nobody answers', async () => {
    const node = await test.make()
    const contact = vi.spyOn(node.identity.record, 'contact')
    await node.start()
    const silent = nodeFromParts({ publicKey: (await test.make()).identity.publicKey, endpoints: [{ host: '9.9.9.9', udp: 9999 }] })
    for (let count = 0; count < 40; count++) await test.during(node.discovery.ping(silent))
    expect(contact).toHaveBeenCalledWith('9.9.9.9', expect.any(Number))
    expect(node.errors).toEqual([expect.stringContaining('were not answered')])
  })

  it('killed and started again without its bootnode is back in the network, from its database', async () => {
    const [bootnode, ...rest] = await test.neighbours(6)
    const database = new MemoryDatabase()
    const secretKey = test.key()
    const components = { datastore: { [nodeDatabaseSymbol]: database }, secretKey, ip: '5.200.0.1' }
    const node = await test.started({ bootnodes: [bootnode!.enode] }, components)
    await test.clock.advance(60_000)
    // What a killed process leaves behind is what was noted by then.
    const left = new MemoryDatabase(database)
    await node.stop()
    await bootnode!.stop()
    const again = await test.started({}, { ...components, datastore: { [nodeDatabaseSymbol]: left } })
    await test.clock.advance(30_000)
    expect(idsOf(again.discovery.known())).toEqual(idsOf(rest.map(({ identity }) => identity)))
    const [some] = rest
    expect(idsOf(some!.discovery.known())).toContain(again.identity.nodeId)
  })

  it('refuses options that are none', async () => {
    await expect(test.make({ bootNodes: [] } as object)).rejects.toMatchObject({ code: 'discv4/bad-option' })
    await expect(test.make({ limits: { strangers: 0 } })).rejects.toMatchObject({ code: 'discv4/bad-option' })
    await expect(test.make({ bootnodes: ['enode://x'] })).rejects.toMatchObject({ code: 'identity/bad-enode' })
    await expect(test.make({ netRestrict: '10' })).rejects.toMatchObject({ code: 'identity/bad-netlist' })
  })

  it('tells nobody of nodes that it only heard of', async () => {
    const dead = await test.make()
    const node = await test.started({ bootnodes: [dead.enode] })
    const other = await test.started()
    expect(node.discovery.status().nodes).toBe(1)
    expect(await test.during(other.discovery.findNode(node.enode, dead.identity.publicKey))).toEqual([])
  })

  it('may be started again, and tells anew of whom it finds', async () => {
    const bootnode = await test.started()
    const node = await test.make({ bootnodes: [bootnode.identity.record.node] })
    const told: string[] = []
    node.discovery.addEventListener('peer', ({ detail }) => told.push(detail.id.toString()))
    for (let start = 1; start <= 2; start++) {
      await node.start()
      await test.clock.advance(1000)
      await node.stop()
      expect(told.splice(0)).toEqual([bootnode.identity.peerId.toString()])
    }
  })

  it('that cannot start gives its socket back', async () => {
    const noUdp = nodeFromParts({ publicKey: (await test.make()).identity.publicKey, endpoints: [{ host: '5.5.5.5', tcp: PORT }] })
    await expect(test.started({ bootnodes: [noUdp] }, { ip: '5.9.9.9' })).rejects.toMatchObject({ code: 'kademlia/bad-bootnode' })
    await test.started({}, { ip: '5.9.9.9' })
  })

  it('enters by a bootnode that is known by name', async () => {
    const bootnode = await test.started()
    const named = nodeFromParts({ publicKey: bootnode.identity.publicKey, endpoints: [{ host: 'boot.example.org', udp: PORT }] })
    const node = await test.started({ bootnodes: [named], resolveName: async () => [bootnode.ip] })
    await test.clock.advance(5000)
    expect(idsOf(node.discovery.known())).toEqual([bootnode.identity.nodeId])
  })
})

/** A node database in memory. */
class MemoryDatabase implements NodeDatabase {
  readonly #nodes = new Map<string, NodeRecord>()

  constructor(other?: MemoryDatabase) {
    for (const [id, node] of other === undefined ? [] : other.#nodes) this.#nodes.set(id, node)
  }

  note(_: string, node: NodeRecord): void {
    this.#nodes.set(node.nodeId, node)
  }

  async get(): Promise<undefined> {}

  async seeds(_: string, count: number): Promise<NodeRecord[]> {
    return [...this.#nodes.values()].slice(0, count)
  }
}
