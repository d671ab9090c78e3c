import { connectionManager } from '@kumiko/connection-manager'
import { createHost, type HostOptions } from '@kumiko/host'
import type { Host } from '@kumiko/interface'
import { type VirtualClock, virtualClock } from '@kumiko/testkit'
import type { Connection, MultiaddrConnection, StreamHandler } from '@libp2p/interface'
import { memory } from '@libp2p/memory'
import { type Ping, ping } from '@libp2p/ping'
import { plaintext } from '@libp2p/plaintext'
import { yamux } from '@libp2p/yamux'
import { afterEach, expect, test } from 'vitest'
import { addressOf } from './nodes.ts'

const PING = '/ipfs/ping/1.0.0'
const running: Host[] = []
let count = 0

afterEach(async () => {
  await Promise.all(running.splice(0).map((host) => host.stop()))
})

interface Pair {
  readonly clock: VirtualClock
  readonly ours: Host
  readonly theirs: Host
  /** From us to them. */
  readonly connection: Connection
  /** Their socket. */
  readonly socket: MultiaddrConnection
  /** So many times 10 s pass, one after the other, and what is under way goes on between. */
  pass(intervals: number): Promise<void>
}

async function pair(options: HostOptions = {}, handler?: StreamHandler): Promise<Pair> {
  const clock = virtualClock()
  let socket: MultiaddrConnection | undefined
  const parts = { clock, transports: [memory()], connectionEncrypters: [plaintext()], streamMuxers: [yamux()], start: true }
  const theirs = await createHost({
    ...parts,
    addresses: { listen: [`/memory/monitored-${count++}`] },
    connectionMonitor: { enabled: false },
    connectionGater: {
      denyInboundConnection: (opened) => {
        socket = opened
        return false
      },
    },
  })
  const ours = await createHost({ ...parts, ...options })
  running.push(ours, theirs)
  if (handler !== undefined) await theirs.handle(PING, handler)
  const connection = await ours.dial(addressOf(theirs))
  if (socket === undefined) throw new Error('nobody connected')
  const pass = async (intervals: number): Promise<void> => {
    for (let done = 0; done < intervals; done++) {
      await clock.advance(10_000)
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
    }
  }
  return { clock, ours, theirs, connection, socket, pass }
}

const echo: StreamHandler = async (stream) => {
  for await (const data of stream) stream.send(data)
  await stream.close()
}

test('the round trip time of an idle connection is measured', async () => {
  const { clock, connection, pass } = await pair({}, async (stream) => {
    for await (const data of stream) {
      clock.at(clock.now() + 40, () => stream.send(data))
    }
  })
  await pass(1)
  expect(connection.rtt).toBeUndefined()
  await clock.advance(40)
  await expect.poll(() => connection.rtt).toBe(40)
})

test('takes no place from who pings, too', async () => {
  let streams = 0
  const { clock, ours, theirs, connection, pass } = await pair(
    { services: { ping: ping() }, connectionManager: connectionManager({ limits: { perProtocol: { [PING]: 1 } } }) },
    async (stream) => {
      streams++
      for await (const data of stream) {
        clock.at(clock.now() + 40, () => stream.send(data))
      }
    },
  )
  await pass(1)
  expect([streams, connection.rtt]).toEqual([1, undefined])
  const pinged = (ours.services as { ping: Ping }).ping.ping(theirs.peerId)
  await expect.poll(() => streams).toBe(2)
  await clock.advance(40)
  expect(await pinged).toBeGreaterThanOrEqual(0)
})

test('who does not speak ping is alive, and has a round trip time', async () => {
  const { connection, pass } = await pair()
  await pass(6)
  expect([connection.status, connection.rtt]).toEqual(['open', 0])
})

test('who answers late stays', async () => {
  const { clock, connection, pass } = await pair({}, async (stream) => {
    for await (const data of stream) {
      clock.at(clock.now() + 15_000, () => {
        if (stream.status === 'open') stream.send(data)
      })
    }
  })
  await pass(12)
  expect(connection.status).toBe('open')
})

test('who never answers but sends stays', async () => {
  const { theirs, ours, connection, socket, pass } = await pair({}, () => new Promise<void>(() => {}))
  await ours.handle('/data/1', async (stream) => {
    for await (const _data of stream);
  })
  const [back] = theirs.getConnections()
  const stream = await back?.newStream('/data/1')
  expect(socket.status).toBe('open')
  for (let interval = 0; interval < 12; interval++) {
    stream?.send(new Uint8Array(1))
    await pass(1)
  }
  expect(connection.status).toBe('open')
})

test('who is silent is gone after three pings, unless connections are not to be ended', async () => {
  const aborting = await pair({}, echo)
  const keeping = await pair({ connectionMonitor: { abortConnectionOnPingFailure: false } }, echo)
  for (const { socket, pass } of [aborting, keeping]) {
    await pass(1)
    socket.send = () => true
    await pass(3)
  }
  expect(aborting.connection.status).toBe('open')
  await aborting.pass(2)
  expect([aborting.connection.status, aborting.ours.getConnections()]).toEqual(['aborted', []])
  await keeping.pass(6)
  expect(keeping.connection.status).toBe('open')
})

test('a busy connection is not pinged, and after a stop nothing is', async () => {
  let pings = 0
  const { ours, theirs, pass } = await pair({}, async (stream) => {
    pings++
    await echo(stream, theirs.getConnections()[0] as Connection)
  })
  await ours.handle('/data/1', async (stream) => {
    for await (const _data of stream);
  })
  await pass(1)
  expect(pings).toBe(1)
  const stream = await theirs.getConnections()[0]?.newStream('/data/1')
  for (let interval = 0; interval < 4; interval++) {
    stream?.send(new Uint8Array(1))
    await pass(1)
  }
  expect(pings).toBe(1)
})

test.each<[object, string]>([
  [{ pingIntervals: 1 }, 'pingIntervals is no option of connectionMonitor'],
  [{ pingInterval: 0 }, 'pingInterval 0'],
  [{ pingTimeout: { timeoutMultiplier: 2 } }, 'timeoutMultiplier is no option of connectionMonitor.pingTimeout'],
])('%j is refused', async (connectionMonitor, message) => {
  await expect(createHost({ connectionMonitor })).rejects.toMatchObject({
    code: 'host/bad-option',
    message: expect.stringContaining(message),
  })
})
