import type { Socket } from 'node:dgram'
import { type Discv5 as ChainsafeDiscv5, Discv5Discovery } from '@chainsafe/discv5'
import { ENR, SignableENR } from '@chainsafe/enr'
import { createHost } from '@kumiko/host'
import { enrTextOf, generateSecretKey, parseNode } from '@kumiko/identity'
import type { Host, NodeRecord } from '@kumiko/interface'
import { udpSocket } from '@kumiko/udp'
import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Discv5, discv5 } from '../src/discv5.ts'

/** Undoes, last first. */
const cleanups: (() => Promise<void>)[] = []
let ours: Host<{ discv5: Discv5 }>
let theirs: ChainsafeDiscv5

async function startOurs(): Promise<typeof ours> {
  const udp = udpSocket({ port: 0, hosts: ['127.0.0.1'] })
  const host = await createHost({ services: { discv5: discv5({ udp }) }, start: true })
  cleanups.push(async () => await host.stop())
  return host
}

/** A node of @chainsafe/discv5 on a free port, which it learns only when it has been bound. */
async function startTheirs(): Promise<ChainsafeDiscv5> {
  const key = generateSecretKey()
  const discovery = new Discv5Discovery({
    enr: SignableENR.createV4(key),
    privateKey: privateKeyFromRaw(key) as never, // of another version of @libp2p/interface
    bindAddrs: { ip4: '/ip4/127.0.0.1/udp/0' },
    bootEnrs: [],
    searchInterval: Number.POSITIVE_INFINITY,
    enabled: true,
  } as ConstructorParameters<typeof Discv5Discovery>[0])
  await discovery.start()
  cleanups.push(async () => await discovery.stop())
  const node = discovery.discv5
  const { transport } = node.sessionService as unknown as { transport: { ip4: { socket: Socket } } }
  node.enr.ip = '127.0.0.1'
  node.enr.udp = transport.ip4.socket.address().port
  return node
}

const recordOfTheirs = (): NodeRecord => parseNode(theirs.enr.encodeTxt())
const recordOfOurs = (): ENR => ENR.decodeTxt(ours.identity.enr)

describe('@chainsafe/discv5', () => {
  beforeEach(async () => {
    ours = await startOurs()
    theirs = await startTheirs()
  })
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  })

  it('is pinged, and tells of its record', async () => {
    const { discv5 } = ours.services
    const answer = await discv5.ping(recordOfTheirs())
    expect(answer).toMatchObject({ endpoint: { ip: '127.0.0.1', udp: ours.identity.record.node.endpoints[0]?.udp } })
    expect(await discv5.requestEnr(recordOfTheirs())).toMatchObject({ nodeId: recordOfTheirs().nodeId })
    expect(discv5.known().map(({ nodeId }) => nodeId)).toEqual([recordOfTheirs().nodeId])
  })

  it('pings us, and asks for our record', async () => {
    const pong = await theirs.sendPing(recordOfOurs())
    expect(pong.enrSeq).toBe(ours.identity.record.seq)
    expect(pong.addr.port).toBe(theirs.enr.udp)
    const [record] = await theirs.sendFindNode(recordOfOurs(), [0])
    expect(record?.encodeTxt()).toBe(ours.identity.enr)
  })

  it('is told of nodes that we know, and tells us of its own', async () => {
    const third = await startOurs()
    const node = third.identity.record.node
    await ours.services.discv5.ping(node)
    const distances = Array.from({ length: 20 }, (_, i) => 256 - i)
    const found = await theirs.sendFindNode(recordOfOurs(), distances)
    expect(found.map((enr) => enr.encodeTxt())).toEqual([enrTextOf(node)])
    theirs.addEnr(found[0] as ENR)
    expect((await ours.services.discv5.findNode(recordOfTheirs(), distances))?.map(enrTextOf)).toContain(enrTextOf(node))
  })

  it('talks, in both directions', async () => {
    ours.services.discv5.talk.register('echo', (message) => message.map((byte) => byte + 1))
    expect(await theirs.sendTalkReq(recordOfOurs(), Uint8Array.of(1, 2), 'echo')).toEqual(Uint8Array.of(2, 3))
    expect(await theirs.sendTalkReq(recordOfOurs(), Uint8Array.of(1, 2), 'none')).toHaveLength(0)
    const events = theirs as unknown as {
      on(name: string, listener: (from: never, enr: unknown, message: { id: never; request: Uint8Array }) => void): void
    }
    events.on('talkReqReceived', (from, _, { id, request }) => void theirs.sendTalkResp(from, id, Buffer.from([...request, 9])))
    expect(await ours.services.discv5.talkRequest(recordOfTheirs(), 'any', Uint8Array.of(7))).toEqual(Uint8Array.of(7, 9))
  })
})
