import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { createHost } from '@kumiko/host'
import { registerRlpx } from '@kumiko/identity'
import type { Capability, Host, Peer } from '@kumiko/interface'
import { rlpx } from '@kumiko/rlpx'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import type { IdentifyResult, Libp2p, Stream, StreamMessageEvent } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import type { Case } from '../case.ts'
import { LARGE } from '../converse.ts'
import { payload } from '../payload.ts'

const ECHO = { name: 'echo', version: 1, length: 2 }
const PROTOCOL = '/echo/1'
const PING = '/ipfs/ping/1.0.0'
const LIBP2P_PROTOCOLS = ['/ipfs/id/1.0.0', PING]
/** Of messages that are sent in a row. */
const SIZES = [0, 1, 1024, 0, 2 ** 20, 7, LARGE]

const parts = () => ({
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: { identify: identify(), ping: ping() },
})

/** The rlpx transport in an unmodified js-libp2p node, with a Host of ours as the other side. */
export const libp2pCases: readonly Case[] = [
  libp2pCase('vanilla js-libp2p → kumiko: a capability is a stream, with its messages kept apart', async ({ host, vanilla, topology }) => {
    const connection = await vanilla.dial(addressOf(host, true))
    deepEqual([connection.encryption, connection.multiplexer], ['native', '/devp2p/5'])
    equal(connection.remotePeer.toString(), host.peerId.toString())
    await until('the Host to have its peer', () => host.getPeers()[0]?.equals(vanilla.peerId) === true)
    await echoes(await connection.newStream(PROTOCOL))
    deepEqual(topology, [`connect ${host.peerId}`])
    await rejects(connection.newStream('/other/1'), { name: 'UnsupportedProtocolError' })
    await connection.close()
    await until('the connection to be gone', () => host.getConnections().length + vanilla.getConnections().length === 0)
    deepEqual(topology, [`connect ${host.peerId}`, `disconnect ${host.peerId}`])
  }),
  libp2pCase(
    'kumiko → vanilla js-libp2p: its handler is given a stream, and run serves our side',
    async ({ host, vanilla, answers, topology }) => {
      await vanilla.handle(PROTOCOL, (stream) => {
        stream.addEventListener('message', (event) => void stream.send(answerTo(bytesOf(event))))
      })
      await host.dial(addressOf(vanilla, true))
      await until('the answers', () => answers.length === SIZES.length)
      for (const [index, size] of SIZES.entries())
        equal(Buffer.compare(answers[index] ?? ECHOED, payload(index, size)), 0, `message ${index}`)
      deepEqual(topology, [`connect ${host.peerId}`])
      await host.stop()
      await until('the connection to be gone', () => vanilla.getConnections().length === 0)
    },
  ),
  libp2pCase('kumiko ↔ vanilla js-libp2p: beside noise and yamux, each protocol finds its own connection', async ({ host, vanilla }) => {
    await vanilla.dial(addressOf(host, true))
    const identified = identifyOf(vanilla)
    await vanilla.dial(addressOf(host, false), { force: true })
    const { protocols, listenAddrs } = await identified
    deepEqual([...protocols].sort(), LIBP2P_PROTOCOLS)
    ok(listenAddrs.length > 0 && listenAddrs.every((address) => !address.toString().includes('rlpx')), listenAddrs.join())
    deepEqual(
      host
        .getConnections()
        .map(({ encryption }) => encryption)
        .sort(),
      ['/noise', 'native'],
    )
    const stream = await host.dialProtocol(vanilla.peerId, PING)
    equal(stream.protocol, PING)
    await stream.close()
    ok((await host.services.ping.ping(vanilla.peerId)) >= 0)
    equal(host.getConnections().length, 2)
    const known = await vanilla.peerStore.get(host.peerId)
    deepEqual(
      known.addresses.map(String).filter((address) => address.includes('rlpx')),
      [],
    )
  }),
  libp2pCase('kumiko ↔ vanilla js-libp2p: with RLPx alone open, ping dials libp2p', async ({ host, vanilla }) => {
    await host.dial(addressOf(vanilla, true))
    await host.peerStore.merge(vanilla.peerId, { multiaddrs: [addressOf(vanilla, false)] })
    ok((await host.services.ping.ping(vanilla.peerId)) >= 0)
    deepEqual(
      host.getConnections().map(({ encryption }) => encryption),
      ['native', '/noise'],
    )
  }),
  libp2pCase('kumiko ↔ vanilla js-libp2p: an RLPx connection outlives the monitor and identify of the node', async ({ host, vanilla }) => {
    await vanilla.dial(addressOf(host, true))
    await delay(2500) // the monitor of the node pings twice
    equal(host.getConnections().length, 1)
    equal(vanilla.getConnections()[0]?.status, 'open')
  }),
]

const ECHOED = Uint8Array.of(1)

interface Pair {
  readonly host: Host<{ ping: ReturnType<ReturnType<typeof ping>> }>
  readonly vanilla: Libp2p
  /** What our `run` was answered. */
  readonly answers: Uint8Array[]
  /** What a topology of the vanilla node was told. */
  readonly topology: string[]
}

function libp2pCase(name: string, run: (pair: Pair) => Promise<void>): Case {
  return {
    name,
    run: async () => {
      registerRlpx()
      const answers: Uint8Array[] = []
      const host = await createHost({
        ...parts(),
        addresses: { listen: ['/ip4/127.0.0.1/tcp/0/rlpx', '/ip4/127.0.0.1/tcp/0'] },
        transports: [tcp(), rlpx({ capabilities: [serving(answers)] })],
        start: true,
      })
      const vanilla = await createLibp2p({
        ...parts(),
        privateKey: await generateKeyPair('secp256k1'),
        addresses: { listen: ['/ip4/127.0.0.1/tcp/0/rlpx', '/ip4/127.0.0.1/tcp/0'] },
        transports: [tcp(), rlpx({ capabilities: [ECHO] })],
        connectionMonitor: { pingInterval: 1000 },
      })
      const topology: string[] = []
      await vanilla.register(PROTOCOL, {
        onConnect: (peer) => void topology.push(`connect ${peer}`),
        onDisconnect: (peer) => void topology.push(`disconnect ${peer}`),
      })
      try {
        await run({ host, vanilla, answers, topology })
      } finally {
        await Promise.all([host.stop(), vanilla.stop()])
      }
      return undefined
    },
  }
}

/** Echoes those who dialed us, and asks those whom we dialed. */
function serving(answers: Uint8Array[]): Capability {
  return {
    ...ECHO,
    run: async (channel, peer: Peer) => {
      if (peer.direction === 'outbound') {
        for (const [index, size] of SIZES.entries()) if (!channel.send(0, payload(index, size))) await channel.drain()
      }
      for await (const { code, payload: data } of channel) {
        if (code === 1) answers.push(data)
        else if (!channel.send(1, data)) await channel.drain()
      }
    },
  }
}

/** Sends messages in a row over a capability's stream, and reads as many answers. */
async function echoes(stream: Stream): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const received: Uint8Array[] = []
  stream.addEventListener('message', (event) => {
    received.push(bytesOf(event))
    if (received.length === SIZES.length) resolve()
  })
  for (const [index, size] of SIZES.entries()) {
    if (!stream.send(Buffer.concat([Uint8Array.of(0), payload(index, size)]))) await stream.onDrain()
  }
  await promise
  for (const [index, size] of SIZES.entries()) {
    equal(Buffer.compare(received[index] ?? ECHOED, Buffer.concat([ECHOED, payload(index, size)])), 0, `message ${index}`)
  }
}

function answerTo(datum: Uint8Array): Uint8Array {
  return Buffer.concat([ECHOED, datum.subarray(1)])
}

function bytesOf({ data }: StreamMessageEvent): Uint8Array {
  return data.subarray()
}

/** The address of a stack, with the peer's id. */
function addressOf(node: Pick<Libp2p, 'getMultiaddrs' | 'peerId'>, isRlpx: boolean): Multiaddr {
  const address = node.getMultiaddrs().find((each) => each.toString().includes('/rlpx') === isRlpx)
  if (address === undefined) throw new Error(`no address of the stack: ${node.getMultiaddrs()}`)
  return address.toString().includes('/p2p/') ? address : multiaddr(`${address}/p2p/${node.peerId}`)
}

/** What the node's identify is told next over a connection of libp2p's own. */
function identifyOf(node: Libp2p): Promise<IdentifyResult> {
  return new Promise((resolve) =>
    node.addEventListener('peer:identify', ({ detail }) => {
      if (detail.connection.encryption === '/noise') resolve(detail)
    }),
  )
}

async function until(what: string, check: () => boolean): Promise<void> {
  for (let round = 0; round < 500; round++) {
    if (check()) return
    await delay(20)
  }
  throw new Error(`waited in vain for ${what}: ${check}`)
}
