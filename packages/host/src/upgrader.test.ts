import { type AddressInfo, connect, type Socket } from 'node:net'
import { connectionManager } from '@kumiko/connection-manager'
import type { Admission, Clock, Host, Ticket } from '@kumiko/interface'
import { virtualClock } from '@kumiko/testkit'
import type { ConnectionProtector, MessageStream } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { afterEach, expect, test } from 'vitest'
import { createHost } from './create-host.ts'
import type { HostOptions } from './options.ts'

const running: Host[] = []

afterEach(async () => {
  await Promise.all(running.splice(0).map((host) => host.stop()))
})

async function start(options: HostOptions = {}): Promise<Host> {
  const host = await createHost({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    start: true,
    ...options,
  })
  running.push(host)
  return host
}

function listenPort(host: Host): AddressInfo['port'] {
  return Number(host.getMultiaddrs()[0]?.getComponents()[1]?.value)
}

/** Connects without a word, and tells of the end. */
async function silentPeer(host: Host): Promise<{ socket: Socket; isClosed(): boolean }> {
  const socket = connect(listenPort(host), '127.0.0.1')
  let closed = false
  socket
    .on('error', () => {})
    .once('close', () => {
      closed = true
    })
  socket.resume()
  await new Promise((resolve) => socket.once('connect', resolve))
  return { socket, isClosed: () => closed }
}

test('a remote that stalls is cut off after 10 s, and its pending slot comes back', async () => {
  const clock = virtualClock()
  const host = await start({ clock: clock satisfies Clock, connectionManager: connectionManager({ maxPendingPeers: 1 }) })
  const stalled = await silentPeer(host)
  const other = await start()
  const [address] = host.getMultiaddrs()
  if (address === undefined) throw new Error('the host listens')
  await expect.poll(() => clock.pending).toBeGreaterThan(0)
  await expect(other.dial(address)).rejects.toThrow()
  await clock.advance(9_999)
  expect(stalled.isClosed()).toBe(false)
  await clock.advance(1)
  await expect.poll(stalled.isClosed).toBe(true)
  expect((await other.dial(address, { force: true })).status).toBe('open')
})

test('a gater that never answers is not waited for, and the pending slot comes back', async () => {
  const clock = virtualClock()
  let isAnswering = false
  const denyInboundConnection = (): Promise<boolean> => (isAnswering ? Promise.resolve(false) : new Promise(() => {}))
  const host = await start({
    clock: clock satisfies Clock,
    connectionManager: connectionManager({ maxPendingPeers: 1 }),
    connectionGater: { denyInboundConnection },
  })
  const { isClosed } = await silentPeer(host)
  await expect.poll(() => clock.pending).toBeGreaterThan(0)
  await clock.advance(9_999)
  expect(isClosed()).toBe(false)
  await clock.advance(1)
  await expect.poll(isClosed).toBe(true)
  isAnswering = true
  const [other, address] = [await start(), host.getMultiaddrs()[0]]
  if (address === undefined) throw new Error('the host listens')
  expect((await other.dial(address)).status).toBe('open')
})

test('a remote that speaks nonsense is cut off at once', async () => {
  const host = await start()
  const { socket, isClosed } = await silentPeer(host)
  // A length of 2 MiB, where a protocol's name should be.
  socket.write(Uint8Array.of(0xff, 0xff, 0x7f))
  await expect.poll(isClosed).toBe(true)
  expect(host.getConnections()).toEqual([])
})

test('a stop does not wait for a remote that stalls', async () => {
  const host = await start()
  const { isClosed } = await silentPeer(host)
  await host.stop()
  await expect.poll(isClosed).toBe(true)
})

/** A host whose upgrader asks this admission, in place of the connection manager's, so that nobody else releases the ticket. */
async function startWith(begin: Admission['begin'], options: HostOptions = {}): Promise<Host> {
  const manager: HostOptions['connectionManager'] = (components) => {
    const managing = connectionManager()(components)
    return new Proxy(managing, {
      get: (target, name) => {
        if (name === 'admission') return { begin }
        const member: unknown = Reflect.get(target, name)
        return typeof member === 'function' ? member.bind(target) : member
      },
    })
  }
  return await start({ ...options, connectionManager: manager })
}

/** Admits everything, and notes what it was asked. */
function noting(calls: string[], refuse?: string): Ticket {
  return {
    traffic: { message: () => {}, bytes: () => {} },
    encrypted: () => void calls.push('encrypted'),
    upgraded: (protocols) => void calls.push(`upgraded [${protocols}]`),
    stream: (protocol, direction) => {
      calls.push(`${direction} ${protocol}`)
      if (protocol === refuse) return { reason: 'too-many-peers', code: 'connection-manager/too-many-streams', detail: 'no more of them' }
      return () => void calls.push(`end of ${protocol}`)
    },
    ended: () => {},
    release: () => void calls.push('release'),
  }
}

test('the upgrader itself releases its ticket once the connection has closed, and asks each checkpoint once', async () => {
  const calls: string[] = []
  const begin: Admission['begin'] = ({ direction, stack, peerId }) => {
    calls.push(`begin ${direction} ${stack} ${peerId}`)
    return noting(calls)
  }
  const [a, b] = [await startWith(begin), await start()]
  const [address] = b.getMultiaddrs()
  if (address === undefined) throw new Error('the host listens')
  const connection = await a.dial(address)
  expect(calls).toEqual([`begin outbound libp2p ${b.peerId}`, 'encrypted', 'upgraded []'])
  await connection.close()
  expect(calls.slice(3)).toEqual(['release'])
})

test('admission is asked for the place of each stream, which comes back when the stream has closed', async () => {
  const [calls, asked]: [string[], string[]] = [[], []]
  const [a, b] = [await startWith(() => noting(calls, '/refused')), await startWith(() => noting(asked, '/not-in'))]
  for (const protocol of ['/kept', '/refused', '/not-in']) await b.handle(protocol, async (stream) => void (await stream.close()))
  const [address] = b.getMultiaddrs()
  if (address === undefined) throw new Error('the host listens')
  const connection = await a.dial(address)
  const stream = await connection.newStream('/kept')
  await stream.close()
  await expect.poll(() => calls.slice(2)).toEqual(['outbound /kept', 'end of /kept'])
  await expect.poll(() => asked.slice(2)).toEqual(['inbound /kept', 'end of /kept'])
  await expect(connection.newStream('/refused')).rejects.toMatchObject({ code: 'connection-manager/too-many-streams' })
  const denied = await connection.newStream('/not-in')
  await expect.poll(() => denied.status).toBe('reset')
  await expect.poll(() => connection.streams).toEqual([])
})

test('the protector has its way with both ends, before encryption', async () => {
  const seen: string[] = []
  const protector = (): ConnectionProtector => ({
    protect: async (stream: MessageStream) => {
      seen.push(stream.direction)
      return stream
    },
  })
  const [a, b] = [await start({ connectionProtector: protector }), await start({ connectionProtector: protector })]
  const [address] = b.getMultiaddrs()
  if (address === undefined) throw new Error('the host listens')
  await a.dial(address)
  expect(seen.sort()).toEqual(['inbound', 'outbound'])
})

test('a connection to ourselves, or to another than was meant, does not come to be', async () => {
  const [a, b, c] = [await start(), await start(), await start()]
  const [address] = b.getMultiaddrs()
  if (address === undefined) throw new Error('the host listens')
  const wrong = address.decapsulate(`/p2p/${b.peerId}`).encapsulate(`/p2p/${c.peerId}`)
  await expect(a.dial(wrong)).rejects.toThrow()
  await expect(a.components.transportManager.dial(a.getMultiaddrs()[0] ?? address)).rejects.toThrow()
  await expect.poll(() => [a, b, c].map((host) => host.getConnections().length)).toEqual([0, 0, 0])
  expect([a, b, c].map((host) => host.connectionManager.peers().length)).toEqual([0, 0, 0])
})

test('without encrypters the mend is named', async () => {
  const [a, b] = [await start({ connectionEncrypters: [] }), await start()]
  const [address] = b.getMultiaddrs()
  if (address === undefined) throw new Error('the host listens')
  await expect(a.components.transportManager.dial(address)).rejects.toMatchObject({
    code: 'host/bad-option',
    message: expect.stringContaining('connectionEncrypters'),
  })
})
