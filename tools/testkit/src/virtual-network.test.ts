import { describe, expect, it } from 'vitest'
import { type VirtualClock, virtualClock } from './clock.ts'
import { seeded } from './random.ts'
import { type VirtualNetwork, type VirtualNetworkOptions, virtualNetwork } from './virtual-network.ts'
import type { VirtualStream } from './virtual-stream.ts'

const SERVER = { host: 'b', port: 30303 }

/** Writes down all that a stream's handler is told. */
class Recorder {
  readonly chunks: Uint8Array[] = []
  readonly closes: (Error | undefined)[] = []
  drains = 0
  readonly stream: VirtualStream

  constructor(stream: VirtualStream) {
    this.stream = stream
    stream.handler = {
      onData: (chunk) => this.chunks.push(chunk),
      onDrain: () => this.drains++,
      onClose: (error) => this.closes.push(error),
    }
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks)
  }
}

interface Pair {
  readonly clock: VirtualClock
  readonly network: VirtualNetwork
  readonly dialer: Recorder
  readonly listener: Recorder
}

async function connect(options: Partial<VirtualNetworkOptions> = {}): Promise<Pair> {
  const clock = virtualClock(0)
  const network = virtualNetwork({ clock, seeded: seeded(1), ...options })
  const { promise, resolve } = Promise.withResolvers<Recorder>()
  network.listen(SERVER, (stream) => resolve(new Recorder(stream)))
  const dialed = network.connect('a', SERVER).then((stream) => new Recorder(stream))
  await clock.advance(10_000)
  return { clock, network, dialer: await dialed, listener: await promise }
}

describe('streams of a virtual network', () => {
  it('carry bytes in order, in chunks of their own', async () => {
    const { clock, dialer, listener } = await connect({ jitterMs: 50, loss: 0.2 })
    const sent = seeded(2).bytes(200_000)
    for (let at = 0; at < sent.length; at += 5000) dialer.stream.write(sent.subarray(at, at + 5000))
    await clock.advance(5000)
    expect(listener.bytes.equals(sent)).toBe(true)
    const sizes = listener.chunks.map((chunk) => chunk.length)
    expect(Math.min(...sizes)).toBeLessThan(50)
    expect(Math.max(...sizes)).toBeGreaterThan(5000)
  })

  it('take as long as the latency', async () => {
    const { clock, dialer, listener } = await connect({ latencyMs: 25 })
    dialer.stream.write(Uint8Array.of(1))
    await clock.advance(24)
    expect(listener.chunks).toEqual([])
    await clock.advance(1)
    expect(listener.chunks).toEqual([Uint8Array.of(1)])
  })

  it('ask the writer to wait while the reader does not read, and tell when it has caught up', async () => {
    const { clock, dialer, listener } = await connect({ highWaterMarkBytes: 1000 })
    listener.stream.pause()
    expect(dialer.stream.write(new Uint8Array(999))).toBe(true)
    expect(dialer.stream.write(new Uint8Array(1))).toBe(false)
    await clock.advance(1000)
    expect([dialer.drains, listener.chunks.length]).toEqual([0, 0])
    listener.stream.resume()
    await clock.advance(1000)
    expect([dialer.drains, listener.bytes.length]).toEqual([1, 1000])
  })

  it('close at both ends behind what was written before `end`', async () => {
    const { clock, network, dialer, listener } = await connect()
    dialer.stream.write(new Uint8Array(30))
    listener.stream.write(new Uint8Array(20))
    dialer.stream.end()
    await clock.advance(1000)
    expect([listener.bytes.length, dialer.bytes.length]).toEqual([30, 20])
    expect([listener.closes, dialer.closes]).toEqual([[undefined], [undefined]])
    expect([network.connections, clock.pending]).toEqual([0, 0])
  })

  it('close at once where they are destroyed, and lose what was only queued', async () => {
    const { clock, network, dialer, listener } = await connect({ highWaterMarkBytes: 100 })
    dialer.stream.write(new Uint8Array(70))
    dialer.stream.write(new Uint8Array(70))
    dialer.stream.destroy()
    dialer.stream.destroy()
    expect(dialer.stream.write(new Uint8Array(1))).toBe(true)
    await clock.advance(0)
    expect(dialer.closes).toEqual([undefined])
    await clock.advance(1000)
    expect([listener.bytes.length, listener.closes]).toEqual([100, [undefined]])
    expect(network.connections).toBe(0)
  })

  it('break at both ends when they are cut', async () => {
    const { clock, network, dialer, listener } = await connect()
    dialer.stream.write(new Uint8Array(30))
    network.cut('a')
    await clock.advance(1000)
    expect(listener.chunks).toEqual([])
    expect([...listener.closes, ...dialer.closes]).toMatchObject([{ code: 'ECONNRESET' }, { code: 'ECONNRESET' }])
    expect([network.connections, clock.pending]).toEqual([0, 0])
  })

  it('stall while partitioned and go on when it heals', async () => {
    const { clock, network, dialer, listener } = await connect()
    network.partition(['a'], ['b'])
    dialer.stream.write(Uint8Array.of(7))
    const waiting = network.connect('a', SERVER)
    await clock.advance(60_000)
    expect(listener.chunks).toEqual([])
    network.heal()
    await clock.advance(100)
    expect(listener.chunks).toEqual([Uint8Array.of(7)])
    expect((await waiting).remote).toEqual(SERVER)
  })

  it('are refused where nobody listens, and given up with the signal', async () => {
    const { clock, network } = await connect()
    const refused = expect(network.connect('a', { host: 'b', port: 1 })).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await clock.advance(20)
    await refused
    network.partition(['c'], ['b'])
    const controller = new AbortController()
    const given = expect(network.connect('c', SERVER, { signal: controller.signal })).rejects.toThrow('enough')
    await clock.advance(1000)
    controller.abort(new Error('enough'))
    await given
    network.heal()
    await clock.advance(1000)
    expect(network.connections).toBe(1)
  })

  it('close at the listener too, where the dialer has given up meanwhile', async () => {
    const clock = virtualClock(0)
    const network = virtualNetwork({ clock, seeded: seeded(1), latencyMs: 10 })
    const accepted: Recorder[] = []
    network.listen(SERVER, (stream) => accepted.push(new Recorder(stream)))
    const controller = new AbortController()
    const given = expect(network.connect('a', SERVER, { signal: controller.signal })).rejects.toThrow('enough')
    await clock.advance(15)
    controller.abort(new Error('enough'))
    await given
    await clock.advance(100)
    expect(accepted.map(({ closes }) => closes)).toEqual([[undefined]])
    expect(network.connections).toBe(0)
  })

  it('give each port once', async () => {
    const { network } = await connect()
    expect(() => network.listen(SERVER, () => {})).toThrow('EADDRINUSE b:30303')
    const free = network.listen({ host: 'b', port: 0 }, () => {})
    expect(free.local.port).toBeGreaterThan(0)
    free.close()
    network.listen(free.local, () => {}).close()
  })

  it('are dialed and taken from hosts, as a driver does', async () => {
    const { clock, network } = await connect()
    const accepted: Recorder[] = []
    const listener = await network.host('d').listen('0.0.0.0', 0, (stream) => accepted.push(new Recorder(stream)))
    expect(listener.host).toBe('d')
    const dialed = network.host('c').dial('d', listener.port)
    await clock.advance(20)
    expect((await dialed).remote).toEqual({ host: 'd', port: listener.port })
    expect(accepted[0]?.stream.remote.host).toBe('c')
    await listener.close()
    const refused = expect(network.host('c').dial('d', listener.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await clock.advance(20)
    await refused
  })

  it('run the same way for the same seed', async () => {
    const run = async (seed: number): Promise<number[]> => {
      const { clock, dialer, listener } = await connect({ seeded: seeded(seed), jitterMs: 9 })
      for (let count = 0; count < 20; count++) dialer.stream.write(new Uint8Array(500))
      await clock.advance(1000)
      return listener.chunks.map((chunk) => chunk.length)
    }
    expect(await run(3)).toEqual(await run(3))
    expect(await run(3)).not.toEqual(await run(4))
  })
})

describe('datagrams of a virtual network', () => {
  it('arrive or are lost, by the seed', async () => {
    const clock = virtualClock(0)
    const network = virtualNetwork({ clock, seeded: seeded(1), loss: 0.5, jitterMs: 100 })
    const seen: number[] = []
    network.bind(SERVER, (bytes, from) => {
      expect(from).toEqual({ host: 'a', port: 1 })
      seen.push(bytes[0] ?? -1)
    })
    const socket = network.bind({ host: 'a', port: 1 }, () => {})
    for (let count = 0; count < 100; count++) socket.send(Uint8Array.of(count), SERVER)
    await clock.advance(200)
    expect(seen.length).toBeGreaterThan(30)
    expect(seen.length).toBeLessThan(70)
    expect(seen).not.toEqual(seen.toSorted((a, b) => a - b))
  })

  it('are copied, lost in a partition, and not taken after close', async () => {
    const clock = virtualClock(0)
    const network = virtualNetwork({ clock, seeded: seeded(1) })
    const seen: Uint8Array[] = []
    const far = network.bind(SERVER, (bytes) => seen.push(bytes))
    const near = network.bind({ host: 'a', port: 0 }, () => {})
    const bytes = Uint8Array.of(1)
    near.send(bytes, SERVER)
    bytes[0] = 2
    network.partition(['b'], ['a'])
    near.send(bytes, SERVER)
    network.heal()
    await clock.advance(100)
    near.send(bytes, SERVER)
    far.close()
    near.close()
    near.send(bytes, SERVER)
    await clock.advance(100)
    expect(seen).toEqual([Uint8Array.of(1)])
    expect(clock.pending).toBe(0)
  })
})
