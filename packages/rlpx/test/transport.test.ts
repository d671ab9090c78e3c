import { spawnSync } from 'node:child_process'
import type { ByteStream, Capability, Peer } from '@kumiko/interface'
import { transportContract } from '@kumiko/interface/testing'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Connection, MultiaddrConnection, PrivateKey, Transport, Upgrader } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2p } from 'libp2p'
import { afterEach, describe, expect, it, test } from 'vitest'
import { type StreamNetwork, tcpNetwork } from '../src/tcp.ts'
import { type RlpxOptions, rlpx } from '../src/transport.ts'

const LISTEN = '/ip4/127.0.0.1/tcp/0/rlpx'
const running: Libp2p[] = []

afterEach(async () => {
  await Promise.all(running.splice(0).map((node) => node.stop()))
})

interface Plugged {
  readonly node: Libp2p
  readonly transport: Transport
  /** Peers that our capability was given. */
  readonly served: Peer[]
}

/** The transport among the components of a js-libp2p node that does nothing else. */
async function plug(options: RlpxOptions = {}, privateKey?: PrivateKey): Promise<Plugged> {
  const served: Peer[] = []
  const capability: Capability = {
    name: 'mute',
    version: 1,
    length: 1,
    run: async (channel, peer) => {
      served.push(peer)
      await channel.read()
    },
  }
  const node = await createLibp2p({
    privateKey: privateKey ?? (await generateKeyPair('secp256k1')),
    services: { rlpx: rlpx({ capabilities: [capability], ...options }) },
    start: false,
  })
  running.push(node)
  return { node, transport: node.services.rlpx as Transport, served }
}

transportContract({ describe, it }, async () => {
  const [dialer, listener] = [await plug(), await plug()]
  return {
    dialer: dialer.transport,
    listener: listener.transport,
    listenAddr: multiaddr(LISTEN),
    toDial: (listening) => listening.encapsulate(`/p2p/${listener.node.peerId}`),
    refusedAddr: multiaddr(`/ip4/127.0.0.1/tcp/1/rlpx/p2p/${listener.node.peerId}`),
    foreignAddrs: [
      multiaddr('/ip4/127.0.0.1/tcp/30303'),
      multiaddr('/ip4/127.0.0.1/udp/30303/quic-v1'),
      multiaddr('/ip4/127.0.0.1/tcp/30303/ws'),
      multiaddr('/unix/%2Ftmp%2Fsocket'),
    ],
  }
})

/** Keeps what it is given, and connects nothing. */
function keeping(): { readonly upgrader: Upgrader; readonly maConns: MultiaddrConnection[] } {
  const maConns: MultiaddrConnection[] = []
  const keep = async (maConn: MultiaddrConnection): Promise<Connection> => {
    maConns.push(maConn)
    return { remoteAddr: maConn.remoteAddr, direction: maConn.direction } satisfies Partial<Connection> as Partial<Connection> as Connection
  }
  const upgrader = { upgradeOutbound: keep, upgradeInbound: async (maConn: MultiaddrConnection) => void (await keep(maConn)) }
  return { upgrader: upgrader satisfies Partial<Upgrader> as Partial<Upgrader> as Upgrader, maConns }
}

/** Two transports, the first connected to the second. */
async function connected(network: StreamNetwork = tcpNetwork) {
  const [a, b] = [await plug(), await plug({ network })]
  const [near, far] = [keeping(), keeping()]
  const listener = b.transport.createListener({ upgrader: far.upgrader })
  await listener.listen(multiaddr(LISTEN))
  const address = listener.getAddrs()[0]?.encapsulate(`/p2p/${b.node.peerId}`) ?? multiaddr('/')
  const dial = (from: Plugged = a, upgrader: Upgrader = near.upgrader) =>
    from.transport.dial(address, { upgrader, signal: AbortSignal.timeout(60_000) })
  await dial()
  await expect.poll(() => [a.served.length, b.served.length]).toEqual([1, 1])
  const [maConn] = near.maConns
  if (maConn === undefined) throw new Error('no connection')
  return { a, b, listener, dial, maConn, far }
}

test('a key of another kind is refused when the part is made, an option that is none before', async () => {
  await expect(plug({}, await generateKeyPair('Ed25519'))).rejects.toMatchObject({ code: 'rlpx/wrong-key' })
  const mistakes = [
    { capability: [] },
    { timing: { pingMs: -1 } },
    { timing: { pingMS: 1 } },
    { queue: { messagesMax: 0, bytesMax: 1 } },
    { writeBytesMax: Number.NaN },
  ]
  for (const options of mistakes as object[]) {
    expect(() => rlpx(options)).toThrow(expect.objectContaining({ code: 'rlpx/bad-option' }))
  }
})

test('an address without a peer id, or with one of another kind of key, is not dialed', async () => {
  const { transport } = await plug()
  const { upgrader } = keeping()
  const others = ['/ip4/127.0.0.1/tcp/1/rlpx', '/ip4/127.0.0.1/tcp/1/rlpx/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN']
  expect(transport.dialFilter(others.map((address) => multiaddr(address)))).toEqual([])
  for (const address of others) {
    const dial = transport.dial(multiaddr(address), { upgrader, signal: AbortSignal.timeout(60_000) })
    await expect(dial).rejects.toMatchObject({ code: 'rlpx/no-peer-id' })
  }
})

test('a closed connection tells the remote that this was requested', async () => {
  const { maConn, b, far, listener } = await connected()
  await maConn.close()
  await expect.poll(() => far.maConns[0]?.status).toBe('closed')
  expect(b.served[0]?.signal.reason).toMatchObject({ context: { by: 'remote', reason: 'requested' } })
  await listener.close()
})

test('an aborted connection is closed without a word', async () => {
  const { maConn, b, far, listener } = await connected()
  maConn.abort(new Error('enough'))
  await expect.poll(() => far.maConns[0]?.status).toBe('closed')
  expect(b.served[0]?.signal.reason).toMatchObject({ code: 'rlpx/closed', context: { by: 'remote' } })
  await listener.close()
})

test('a connection that an upgrader refuses without closing it is closed', async () => {
  const { a, b, dial, maConn, far, listener } = await connected()
  await maConn.close()
  const refusing: Upgrader = { ...keeping().upgrader, upgradeInbound: () => Promise.reject(new Error('refused')) }
  const second = b.transport.createListener({ upgrader: refusing })
  await second.listen(multiaddr(LISTEN))
  const near = keeping()
  const address = second.getAddrs()[0]?.encapsulate(`/p2p/${b.node.peerId}`) ?? multiaddr('/')
  await a.transport.dial(address, { upgrader: near.upgrader, signal: AbortSignal.timeout(60_000) })
  await expect.poll(() => near.maConns[0]?.status).toBe('closed')
  const outbound: Upgrader = { ...keeping().upgrader, upgradeOutbound: () => Promise.reject(new Error('refused')) }
  await expect(dial(a, outbound)).rejects.toThrow('refused')
  await expect.poll(() => far.maConns.map(({ status }) => status)).toEqual(['closed', 'closed'])
  await Promise.all([listener.close(), second.close()])
})

test('nothing can be sent but through capabilities', async () => {
  const { maConn, listener } = await connected()
  expect(() => maConn.send(Uint8Array.of(1))).toThrow(TypeError)
  maConn.abort(new Error('enough'))
  await listener.close()
})

test('a refused peer has time to read why: its socket is ended, not destroyed', async () => {
  const calls: string[] = []
  const network: StreamNetwork = {
    dial: tcpNetwork.dial,
    listen: (host, port, onStream) => tcpNetwork.listen(host, port, (stream) => onStream(noting(stream, calls))),
  }
  const { dial, maConn, listener } = await connected(network)
  await maConn.close()
  calls.length = 0
  const useless = await plug({ capabilities: [{ name: 'other', version: 1, length: 1 }] })
  await expect(dial(useless)).rejects.toMatchObject({ context: { reason: 'useless-peer' } })
  await expect.poll(() => calls).toContain('end')
  expect(calls).toEqual(['end'])
  await listener.close()
})

test('stop waits until sockets are closed, and ends what is open', async () => {
  const { a, b, listener } = await connected()
  await listener.close()
  const stop = (plugged: Plugged): unknown =>
    'stop' in plugged.transport && typeof plugged.transport.stop === 'function' && plugged.transport.stop()
  await stop(a)
  await stop(b)
  expect(b.served[0]?.signal.reason).toMatchObject({ context: { by: 'remote', reason: 'client-quitting' } })
  expect(process.getActiveResourcesInfo().filter((type) => type.startsWith('TCP'))).toEqual([])
})

test('sockets that were reset before we saw them, as a port scanner does, are closed and that is all', async () => {
  const { listener, dial } = await connected()
  const port = listener.getAddrs()[0]?.getComponents()[1]?.value
  // Waited for without a turn of our event loop, so that each has lost its address when it is taken.
  const reset = `for (let i = 0; i < 20; i++) { const s = require('node:net').connect(${port}, '127.0.0.1', () => s.resetAndDestroy()) }`
  spawnSync(process.execPath, ['-e', reset])
  const { a, b } = { a: await plug(), b: keeping() }
  await dial(a, b.upgrader)
  expect(b.maConns).toHaveLength(1)
  for (const maConn of b.maConns) await maConn.close()
  await listener.close()
})

/** Notes how a stream is closed. */
function noting(stream: ByteStream, calls: string[]): ByteStream {
  return {
    remote: stream.remote,
    queuedBytes: 0,
    get handler() {
      return stream.handler
    },
    set handler(handler) {
      stream.handler = handler
    },
    write: (...pieces) => stream.write(...pieces),
    pause: () => stream.pause(),
    resume: () => stream.resume(),
    end: () => {
      calls.push('end')
      stream.end()
    },
    destroy: () => {
      calls.push('destroy')
      stream.destroy()
    },
  }
}
