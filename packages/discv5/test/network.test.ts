import { compareDistance, nodeFromParts } from '@kumiko/identity'
import type { NodeRecord } from '@kumiko/interface'
import { virtualUdp } from '@kumiko/testkit'
import { afterEach, describe, expect, it } from 'vitest'
import { PORT, TestNetwork, type TestNode } from './nodes.ts'

let net = new TestNetwork()
afterEach(async () => await net.stop())

function network(...options: ConstructorParameters<typeof TestNetwork>): TestNetwork {
  net = new TestNetwork(...options)
  return net
}

/** The ids of others. */
function others(nodes: readonly TestNode[], node: TestNode): string[] {
  return nodes.filter((other) => other !== node).map(({ identity }) => identity.nodeId)
}

const idsOf = (nodes: readonly NodeRecord[]): string[] => nodes.map(({ nodeId }) => nodeId)

describe('a network', () => {
  // geth: lookupE2E, lookup
  it('of 24 nodes is found from one bootnode, and a lookup finds whoever is nearest', async () => {
    const net = network()
    const nodes = await net.form(24)
    await net.clock.advance(60_000)
    for (const node of nodes) {
      const target = others(nodes, node)[0] ?? ''
      const found = await net.result(node.discovery.lookup(target))
      const nearest = others(nodes, node).sort((a, b) => compareDistance(target, a, b))
      expect(idsOf(found)).toEqual(nearest.slice(0, 16))
    }
    expect(nodes.flatMap(({ faults }) => faults)).toEqual([])
  })

  it('forms also where a tenth of all packets is lost', async () => {
    const net = network({ loss: 0.1, jitterMs: 20 })
    const nodes = await net.form(16)
    await net.clock.advance(120_000)
    let found = 0
    for (const node of nodes) {
      for (const id of others(nodes, node).slice(0, 4)) found += idsOf(await net.result(node.discovery.lookup(id)))[0] === id ? 1 : 0
    }
    expect(found).toBeGreaterThan(62)
  })

  it('of IPv6 forms as well, and one of both families in both', async () => {
    for (const ips of [(i: number) => [`2600:${i.toString(16)}::1`], (i: number) => [`5.6.${i}.1`, `2600:${i.toString(16)}::1`]]) {
      const net = network()
      const boot = await net.make({ ips: ips(1) })
      await boot.start()
      const nodes = [boot]
      for (let i = 2; i <= 8; i++) nodes.push(await net.make({ ips: ips(i), bootnodes: [boot.record] }))
      for (const node of nodes) await node.start()
      await net.clock.advance(60_000)
      for (const node of nodes) expect(idsOf(node.discovery.known()).sort()).toEqual(others(nodes, node).sort())
      await net.stop()
    }
  })

  it('lets nodes of one family be told of those that they can reach only', async () => {
    const net = network()
    const both = await net.make({ ips: ['5.6.1.1', '2600:1::1'] })
    await both.start()
    const four = await net.make({ ips: ['5.6.2.1'], bootnodes: [both.record] })
    const six = await net.make({ ips: ['2600:3::1'], bootnodes: [both.record] })
    const alsoFour = await net.make({ ips: ['5.6.4.1'], bootnodes: [both.record] })
    for (const node of [four, six, alsoFour]) await node.start()
    await net.clock.advance(60_000)
    expect(idsOf(four.discovery.known()).sort()).toEqual([both.identity.nodeId, alsoFour.identity.nodeId].sort())
    expect(idsOf(six.discovery.known())).toEqual([both.identity.nodeId])
  })
})

describe('a node', () => {
  it('pings, and learns where it is seen', async () => {
    const net = network()
    const [a, b] = (await net.form(2)) as [TestNode, TestNode]
    const answer = await net.result(a.discovery.ping(b.record))
    expect(answer).toEqual({ rttMs: expect.any(Number), endpoint: { ip: a.ips[0], udp: 30303 }, enrSeq: b.identity.record.seq })
    expect(
      await net.result(
        a.discovery.ping({ ...b.record, nodeId: b.record.nodeId, endpoints: [{ host: '5.9.9.9', udp: 1234 }] } as NodeRecord),
      ),
    ).toBeUndefined()
  })

  it('asks for records, by the node itself and by an enode URL', async () => {
    const net = network()
    const [a, b] = (await net.form(2)) as [TestNode, TestNode]
    const enode = nodeFromParts({ publicKey: b.identity.publicKey, endpoints: [{ host: b.ips[0] ?? '', udp: 30303 }] })
    expect((await net.result(a.discovery.requestEnr(enode)))?.seq).toBe(b.identity.record.seq)
    b.identity.record.setEntries({ x: Uint8Array.of(5) })
    expect((await net.result(a.discovery.resolve(enode))).entry('x')).toEqual(Uint8Array.of(5))
  })

  it('finds a node that has moved', async () => {
    const net = network()
    const nodes = await net.form(8)
    await net.clock.advance(30_000)
    const [, a, moving] = nodes as [TestNode, TestNode, TestNode]
    const old = moving.record
    const { secretKey } = moving.identity
    await net.result(moving.stop())
    const moved = await net.make({ secretKey, ips: ['5.77.1.1'], bootnodes: [nodes[0]?.record ?? old] })
    moved.identity.record.setEntries({ x: Uint8Array.of(1) })
    await moved.start()
    await net.clock.advance(60_000)
    expect((await net.result(a.discovery.resolve(old))).endpoints[0]?.host).toBe('5.77.1.1')
  })

  it('answers by a TALK protocol, and by nothing where there is none, too much, or an error', async () => {
    const net = network()
    const [a, b] = (await net.form(2)) as [TestNode, TestNode]
    const talk = async (protocol: string, message: string): Promise<string> => {
      const answer = await net.result(a.discovery.talkRequest(b.record, protocol, new TextEncoder().encode(message)))
      return answer === undefined ? 'no answer' : new TextDecoder().decode(answer)
    }
    const cancel = b.discovery.talk.register('shout', (message, { node, from }) => {
      expect([node.nodeId, from.ip]).toEqual([a.identity.nodeId, a.ips[0]])
      return new TextEncoder().encode(new TextDecoder().decode(message).toUpperCase())
    })
    b.discovery.talk.register('long', () => new Uint8Array(1280))
    b.discovery.talk.register(Uint8Array.of(0x62), async () => {
      throw new Error('not today')
    })
    expect(() => b.discovery.talk.register('shout', () => new Uint8Array(0))).toThrowError(
      expect.objectContaining({ code: 'discv5/talk-protocol-taken' }),
    )
    expect(await talk('shout', 'hello')).toBe('HELLO')
    expect([await talk('whisper', 'x'), await talk('long', 'x'), await talk('b', 'x')]).toEqual(['', '', ''])
    cancel()
    expect(await talk('shout', 'hello')).toBe('')
    const long = new Uint8Array(1174).fill(7)
    b.discovery.talk.register('echo', (message) => message)
    expect(await net.result(a.discovery.talkRequest(b.record, 'echo', long))).toEqual(long)
    await expect(a.discovery.talkRequest(b.record, 'echo', new Uint8Array(1280))).rejects.toMatchObject({
      code: 'discv5/message-too-large',
    })
  })

  it('has its UDP port in its record while it runs', async () => {
    const net = network()
    const node = await net.make()
    expect(node.record.endpoints).toEqual([])
    await node.start()
    await node.start()
    expect(node.record.endpoints).toEqual([{ host: node.ips[0], tcp: 30303, udp: 30303 }])
    await net.result(node.stop())
    await node.stop()
    expect(node.record.endpoints).toEqual([{ host: node.ips[0], tcp: 30303 }])
    expect(node.discovery.status().isRunning).toBe(false)
    expect(net.clock.pending).toBe(0)
    await node.start()
    expect(node.discovery.status().isRunning).toBe(true)
  })

  it('learns its address from others', async () => {
    const net = network()
    const nodes = await net.form(14)
    await net.clock.advance(30_000)
    const inside = await net.make({ ips: ['5.88.1.1'], bootnodes: [nodes[0]?.record as NodeRecord] })
    inside.identity.record.setFallback(4, '192.168.1.2')
    await inside.start()
    expect(inside.record.endpoints[0]?.host).toBe('192.168.1.2')
    await net.clock.advance(60_000)
    expect(inside.record.endpoints[0]).toMatchObject({ host: '5.88.1.1', udp: 30303 })
  })

  it('goes nowhere but to the networks that it may', async () => {
    const net = network()
    const boot = await net.make({ ips: ['5.1.1.1'] })
    await boot.start()
    const bootnodes = [boot.record]
    const inside = await net.make({ ips: ['5.1.2.1'], bootnodes })
    const outside = await net.make({ ips: ['6.1.1.1'], bootnodes })
    const strict = await net.make({ ips: ['5.1.3.1'], bootnodes, netRestrict: '5.1.0.0/16' })
    for (const node of [inside, outside, strict]) await node.start()
    await net.clock.advance(60_000)
    expect(idsOf(strict.discovery.known()).sort()).toEqual([boot.identity.nodeId, inside.identity.nodeId].sort())
    expect(strict.discovery.status().faults['discv5/net-restricted']).toBeGreaterThan(0)
    await expect(strict.discovery.ping(outside.record)).rejects.toMatchObject({ code: 'discv5/no-endpoint' })
    expect(await net.result(outside.discovery.ping(strict.record))).toBeUndefined()
  })

  it('leaves to others on its socket what is not its own', async () => {
    const net = network()
    const place = { ip: '5.99.1.1', port: PORT }
    const udp = virtualUdp(net.network, { ips: [place.ip], port: PORT })
    const node = await net.make({ ips: [place.ip], udp })
    await node.start()
    const left: Uint8Array[] = []
    const share = await udp.open((packet) => left.push(packet) > 0)
    const stranger = net.network.bind({ host: '5.98.1.1', port: PORT }, () => {})
    const junk = [new Uint8Array(1), new Uint8Array(100), new Uint8Array(1281)]
    for (const packet of junk) stranger.send(packet, { host: place.ip, port: PORT })
    const other = await net.make()
    await other.start()
    expect(await net.result(other.discovery.ping(node.record))).toBeDefined()
    expect(left).toEqual(junk)
    expect(node.discovery.status()).toMatchObject({ nodes: 1, faults: {} })
    stranger.close()
    await share.close()
  })

  it('says what it cannot do', async () => {
    const net = network()
    const [a, b] = [await net.make(), await net.make()]
    await expect(a.discovery.ping(b.record)).rejects.toMatchObject({ code: 'discv5/not-running' })
    await a.start()
    await expect(a.discovery.ping(b.record)).rejects.toMatchObject({ code: 'discv5/no-endpoint' })
    await expect(a.discovery.lookup('x')).rejects.toMatchObject({ code: 'discv5/bad-target' })
    for (const distances of [[], [257], [1.5], [-1]]) {
      await expect(a.discovery.findNode(b.record, distances)).rejects.toMatchObject({ code: 'discv5/bad-distances' })
    }
    const aborted = AbortSignal.abort(new Error('enough'))
    await b.start()
    await expect(a.discovery.ping(b.record, { signal: aborted })).rejects.toThrow('enough')
  })

  it('may be stopped while it starts, and started again', async () => {
    const net = network()
    const [one, other] = [await net.make(), await net.make()]
    await other.start()
    for (let i = 0; i < 2; i++) {
      const starting = [one.discovery.start(), one.discovery.start()]
      await one.discovery.stop()
      await Promise.all(starting)
      expect(one.discovery.status().isRunning).toBe(false)
    }
    await one.start()
    expect(await net.result(one.discovery.ping(other.record))).toMatchObject({ enrSeq: other.record.seq })
    expect(one.discovery.status()).toMatchObject({ isRunning: true, sessions: 1, faults: {} })
  })

  it('leaves nobody waiting when it stops', async () => {
    const net = network()
    const [a, b] = (await net.form(2)) as [TestNode, TestNode]
    const { record } = b
    await net.result(b.stop())
    const waiting = [a.discovery.ping(record), a.discovery.findNode(record, [1]), a.discovery.lookup(b.identity.nodeId).catch(() => [])]
    await a.stop()
    expect(await Promise.all(waiting)).toEqual([undefined, undefined, []])
    expect(a.discovery.status()).toMatchObject({ isRunning: false, calls: 0 })
  })
})
