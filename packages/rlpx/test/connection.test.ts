import type { Refusal, TrafficMeter } from '@kumiko/interface'
import { seeded } from '@kumiko/testkit'
import { describe, expect, it } from 'vitest'
import type { QueuedChannel } from '../src/channel.ts'
import type { RlpxConnection } from '../src/connection.ts'
import { AA, RawRemote, testNode } from './node.ts'
import { hex } from './vectors.ts'
import { channelOf, VirtualPair } from './virtual-pair.ts'

/** Whether a promise is settled yet. */
const stateOf = (promise: Promise<unknown>): Promise<unknown> =>
  Promise.race([
    promise.then(
      () => 'done',
      () => 'failed',
    ),
    new Promise((resolve) => setImmediate(resolve, 'open')),
  ])
const bytes = (...all: number[]): Uint8Array => Uint8Array.of(...all)

/** Reads `count` messages, while time passes. */
async function collect(
  pair: VirtualPair,
  connection: RlpxConnection,
  count: number,
  name = 'aa',
): Promise<{ code: number; payload: Uint8Array }[]> {
  const all: { code: number; payload: Uint8Array }[] = []
  const channel = channelOf(connection, name)
  const reading = (async () => {
    while (all.length < count) {
      const message = await channel.read()
      if (message === undefined) return
      all.push(message)
    }
  })()
  for (let round = 0; round < 200 && all.length < count; round++) await pair.clock.advance(100)
  if (all.length < count) throw new Error(`${all.length} of ${count} messages came`)
  await reading
  return all
}

/** Sends until the other end takes no more. */
async function fill(pair: VirtualPair, sender: QueuedChannel): Promise<void> {
  const noise = seeded(4).bytes(1000)
  for (;;) {
    while (sender.send(0, noise));
    await pair.clock.advance(200)
    if (!sender.send(0, noise)) return
  }
}

function expectRejected(outcome: PromiseSettledResult<RlpxConnection>, code: string, context: object = {}): void {
  expect(outcome).toMatchObject({ status: 'rejected', reason: { name: 'KumikoError', code, context } })
}

describe('two connections', () => {
  it('know one another', async () => {
    const pair = new VirtualPair()
    const { dialer, listener } = await pair.open()
    const [one, other] = [testNode(1), testNode(2)]
    expect([dialer.direction, listener.direction]).toEqual(['outbound', 'inbound'])
    expect([dialer.clientId, listener.clientId]).toEqual([other.clientId, one.clientId])
    expect([dialer.publicKey, listener.publicKey]).toEqual([one.curve.compress(other.publicKey), one.curve.compress(one.publicKey)])
    expect(dialer.nodeId).toMatch(/^[0-9a-f]{64}$/)
    expect(dialer.channels.map(({ capability }) => capability.name)).toEqual(['aa', 'bb'])
    expect(listener.capabilities).toEqual([
      { name: 'bb', version: 2 },
      { name: 'aa', version: 1 },
    ])
    expect([dialer.end, dialer.signal.aborted]).toEqual([undefined, false])
    dialer.disconnect('requested')
    await pair.expectNothingLeft()
  })

  it.each([1, 2, 3, 4, 5, 6])('carry messages of all sizes both ways, in order, over network %i', async (seed) => {
    const { below, bytes: draw } = seeded(seed)
    const pair = new VirtualPair({
      seeded: seeded(seed),
      latencyMs: below(200),
      jitterMs: below(300),
      loss: 0.1,
      highWaterMarkBytes: 1000 + below(100_000),
    })
    const { dialer, listener } = await pair.open()
    const messages = Array.from({ length: 60 }, (_, i) => ({ code: i % 4, payload: draw([0, 1, 20, 3000, 40_000][below(5)]!) }))
    for (const { code, payload } of messages) {
      channelOf(dialer).send(code, payload)
      channelOf(listener).send(code, payload)
      channelOf(listener, 'bb').send(200 + code, bytes(code))
    }
    const got = await collect(pair, listener, 60)
    expect(got.map(({ code, payload }) => [code, Buffer.from(payload)])).toEqual(
      messages.map(({ code, payload }) => [code, Buffer.from(payload)]),
    )
    expect((await collect(pair, dialer, 60)).map(({ payload }) => payload.length)).toEqual(messages.map(({ payload }) => payload.length))
    expect((await collect(pair, dialer, 60, 'bb')).map(({ code }) => code)).toEqual(messages.map(({ code }) => 200 + code))
    listener.disconnect('requested')
    await pair.expectNothingLeft()
    expect(dialer.end).toEqual({ do: 'end', by: 'remote', reason: 'requested' })
  })

  it('let the sender use its payload again at once', async () => {
    const pair = new VirtualPair()
    const { dialer, listener } = await pair.open()
    const payload = bytes(1, 2, 3)
    channelOf(dialer).send(0, payload)
    payload.fill(9)
    expect([...(await collect(pair, listener, 1))[0]!.payload]).toEqual([1, 2, 3])
    dialer.destroy()
    await pair.expectNothingLeft()
  })

  it('stay open for an hour without a message, by their pings', async () => {
    const pair = new VirtualPair({ latencyMs: 100 })
    const { dialer, listener } = await pair.open()
    await pair.clock.advance(3_600_000)
    expect([dialer.end, listener.end]).toEqual([undefined, undefined])
    dialer.disconnect('client-quitting')
    await pair.expectNothingLeft()
  })

  it('count what passes', async () => {
    const counts: Record<string, number> = {}
    const add = (key: string, by: number): void => {
      counts[key] = (counts[key] ?? 0) + by
    }
    const meter = (side: string): TrafficMeter => ({
      message: (way, { name }, code, sizeBytes) => add(`${side} ${way} ${name} ${code}`, sizeBytes),
      bytes: (way, sizeBytes) => add(`${side} ${way}`, sizeBytes),
    })
    const pair = new VirtualPair()
    const { dialer, listener } = await pair.open({ dialer: { traffic: meter('dialer') }, listener: { traffic: meter('listener') } })
    channelOf(dialer).send(2, new Uint8Array(30_000))
    await collect(pair, listener, 1)
    dialer.disconnect('requested')
    await pair.expectNothingLeft()
    expect(counts).toMatchObject({ 'dialer sent aa 2': 30_000, 'listener received aa 2': 30_000 })
    expect(counts['listener received']).toBe(counts['dialer sent'])
    expect(counts['dialer received']).toBe(counts['listener sent'])
    expect(counts['dialer sent']).toBeLessThan(5000)
  })

  it('hand messages to a handler as they come, those before it first', async () => {
    const pair = new VirtualPair()
    const { dialer, listener } = await pair.open()
    channelOf(dialer).send(1, bytes())
    await pair.clock.advance(1000)
    const seen: number[] = []
    channelOf(listener).onMessage = (code) => seen.push(code)
    channelOf(dialer).send(2, bytes())
    await pair.clock.advance(1000)
    expect(seen).toEqual([1, 2])
    dialer.destroy()
    await pair.expectNothingLeft()
  })
})

describe('a reader who does not read', () => {
  const queue = { messagesMax: 10, bytesMax: 20_000 }

  it('makes the sender wait, with bounded queues; reading lets it go on, and nothing is lost', async () => {
    const pair = new VirtualPair({ highWaterMarkBytes: 20_000 })
    const { dialer, listener } = await pair.open({ listener: { queue } })
    const noise = seeded(4).bytes(1000)
    const sender = channelOf(dialer)
    let sent = 0
    while (sent < 1000) {
      sent++
      if (!sender.send(sent % 4, noise)) break
      if (sent % 10 === 0) await pair.clock.advance(50)
    }
    // What lies in the listener's queue, in its socket, and in what the dialer seals at a time.
    expect(sent).toBeLessThan(130)
    const drained = sender.drain()
    await pair.clock.advance(10_000)
    expect(await stateOf(drained)).toBe('open')
    expect((await collect(pair, listener, sent)).map(({ code }) => code)).toEqual(Array.from({ length: sent }, (_, i) => (i + 1) % 4))
    expect(await stateOf(drained)).toBe('done')
    expect([sender.send(0, noise), dialer.end, listener.end]).toEqual([true, undefined, undefined])
    dialer.disconnect('requested')
    await pair.expectNothingLeft()
  })

  it('is not taken for a remote that is silent, for as long as it does not read', async () => {
    const pair = new VirtualPair()
    const { dialer, listener } = await pair.open({ listener: { queue } })
    for (let i = 0; i < 30; i++) channelOf(dialer).send(0, bytes(i))
    await pair.clock.advance(600_000)
    expect([dialer.end, listener.end]).toEqual([undefined, undefined])
    expect((await collect(pair, listener, 30)).map(({ payload }) => payload[0])).toEqual(Array.from({ length: 30 }, (_, i) => i))
    await pair.clock.advance(60_000)
    expect([dialer.end, listener.end]).toEqual([undefined, undefined])
    listener.disconnect('requested')
    await pair.expectNothingLeft()
  })

  it('gives the remote the whole read timeout from when it reads again', async () => {
    const pair = new VirtualPair()
    const timing = (readMs: number) => ({ handshakeMs: 5000, pingMs: 1_000_000, readMs })
    const { dialer, listener } = await pair.open({
      dialer: { session: testNode(1, { timing: timing(1_000_000) }) },
      listener: { session: testNode(2, { timing: timing(30_000) }), queue },
    })
    for (let i = 0; i < 10; i++) channelOf(dialer).send(0, bytes(i))
    await pair.clock.advance(59_000)
    for (let i = 0; i < 10; i++) await channelOf(listener).read()
    await pair.clock.advance(29_999)
    expect(listener.end).toBeUndefined()
    await pair.clock.advance(1)
    expect(listener.end).toMatchObject({ fault: { fault: 'rlpx/read-timeout' } })
    await pair.expectNothingLeft()
  })

  it('does not stop another capability of the same connection for good', async () => {
    const pair = new VirtualPair()
    const { dialer, listener } = await pair.open({ listener: { queue } })
    for (let i = 0; i < 10; i++) channelOf(dialer).send(0, bytes(i))
    channelOf(dialer, 'bb').send(7, bytes(1))
    await pair.clock.advance(1000)
    await collect(pair, listener, 10)
    expect((await collect(pair, listener, 1, 'bb'))[0]?.code).toBe(7)
    dialer.destroy()
    await pair.expectNothingLeft()
  })

  it('hears a handler that is set later, beyond the bounds', async () => {
    const pair = new VirtualPair()
    const { dialer, listener } = await pair.open({ listener: { queue } })
    for (let i = 0; i < 100; i++) channelOf(dialer).send(0, bytes(i))
    await pair.clock.advance(1000)
    const seen: number[] = []
    channelOf(listener).onMessage = (_, payload) => seen.push(payload[0]!)
    await pair.clock.advance(1000)
    expect(seen).toEqual(Array.from({ length: 100 }, (_, i) => i))
    dialer.destroy()
    await pair.expectNothingLeft()
  })

  it('can still disconnect, and the sender hears why', async () => {
    const pair = new VirtualPair({ highWaterMarkBytes: 20_000 })
    const { dialer, listener } = await pair.open({ listener: { queue } })
    const noise = seeded(4).bytes(1000)
    for (let i = 0; i < 15; i++) channelOf(dialer).send(0, noise)
    await pair.clock.advance(1000)
    listener.disconnect('too-many-peers')
    await pair.clock.advance(500)
    expect(await stateOf(listener.closed)).toBe('done')
    await pair.expectNothingLeft()
    expect(dialer.end).toEqual({ do: 'end', by: 'remote', reason: 'too-many-peers' })
    let left = 0
    for await (const _ of channelOf(listener)) left++
    expect(left).toBe(10)
  })

  it('for 20 s, with its socket full, is given up', async () => {
    const pair = new VirtualPair({ highWaterMarkBytes: 20_000 })
    const { dialer } = await pair.open({ listener: { queue } })
    const sender = channelOf(dialer)
    await fill(pair, sender)
    const drained = expect(sender.drain()).rejects.toMatchObject({ code: 'rlpx/write-timeout' })
    await pair.clock.advance(19_799)
    expect(dialer.end).toBeUndefined()
    await pair.clock.advance(1)
    expect(dialer.end).toEqual({ do: 'end', by: 'local', fault: { fault: 'rlpx/write-timeout' } })
    await drained
    await expect(sender.drain()).rejects.toMatchObject({ code: 'rlpx/write-timeout' })
    pair.begun.listener?.destroy()
    await pair.expectNothingLeft()
  })

  it('is given up at once where more waits for it than may', async () => {
    const pair = new VirtualPair({ highWaterMarkBytes: 20_000 })
    const { dialer } = await pair.open({ dialer: { writeBytesMax: 100_000 }, listener: { queue } })
    const sender = channelOf(dialer)
    await fill(pair, sender)
    const noise = seeded(5).bytes(1000)
    let sent = 0
    while (dialer.end === undefined && sent < 200) {
      sender.send(0, noise)
      sent++
      await Promise.resolve()
    }
    await pair.clock.advance(100)
    expect(dialer.end).toEqual({ do: 'end', by: 'local', fault: { fault: 'rlpx/write-overflow' } })
    await expect(sender.drain()).rejects.toMatchObject({ code: 'rlpx/write-overflow' })
    pair.begun.listener?.destroy()
    await pair.expectNothingLeft()
  })

  it('lets a drain be given up', async () => {
    const pair = new VirtualPair({ highWaterMarkBytes: 20_000 })
    const { dialer, listener } = await pair.open({ listener: { queue } })
    const sender = channelOf(dialer)
    await fill(pair, sender)
    const abort = new AbortController()
    const given = expect(sender.drain({ signal: abort.signal })).rejects.toThrow('enough')
    abort.abort(new Error('enough'))
    await given
    listener.destroy()
    await pair.expectNothingLeft()
    await expect(sender.drain()).rejects.toMatchObject({ code: expect.stringMatching(/^rlpx\//) })
    expect(sender.send(0, bytes())).toBe(true)
  })
})

describe('ends', () => {
  it('a cut network, at both sides', async () => {
    const pair = new VirtualPair()
    const { dialer, listener } = await pair.open()
    const reading = channelOf(listener).read()
    const { signal } = dialer
    pair.network.cut()
    await pair.clock.advance(0)
    for (const { end } of [dialer, listener])
      expect(end).toMatchObject({ by: 'remote', fault: { fault: 'rlpx/closed', detail: expect.stringContaining('ECONNRESET') } })
    expect(await reading).toBeUndefined()
    expect([signal.aborted, signal.reason, listener.signal.reason]).toMatchObject([true, { code: 'rlpx/closed' }, { code: 'rlpx/closed' }])
    await pair.expectNothingLeft()
  })

  it('a network that is silent, after 30 s', async () => {
    const pair = new VirtualPair()
    const { dialer, listener } = await pair.open()
    pair.network.partition(['dialer'], ['listener'])
    await pair.clock.advance(31_000)
    for (const { end } of [dialer, listener])
      expect(end).toMatchObject({ by: 'local', reason: 'ping-timeout', fault: { fault: 'rlpx/read-timeout' } })
    await pair.expectNothingLeft()
  })

  it('with one reason, however often it is asked for', async () => {
    const pair = new VirtualPair()
    const { dialer, listener } = await pair.open()
    const ends: unknown[] = []
    dialer.onEnd((end) => ends.push(end))
    dialer.disconnect('useless-peer')
    dialer.disconnect('requested')
    dialer.destroy()
    dialer.onEnd((end) => ends.push(end))
    expect(ends).toEqual([dialer.end, dialer.end])
    expect(dialer.end).toEqual({ do: 'end', by: 'local', reason: 'useless-peer' })
    await pair.expectNothingLeft()
    expect(listener.end).toMatchObject({ by: 'remote' })
  })

  it('behind what was sent before', async () => {
    const pair = new VirtualPair({ latencyMs: 50, jitterMs: 50 })
    const { dialer, listener } = await pair.open()
    for (let i = 0; i < 5; i++) channelOf(dialer).send(i % 4, new Uint8Array(5000).fill(i))
    dialer.disconnect('client-quitting')
    await pair.expectNothingLeft()
    expect(listener.end).toEqual({ do: 'end', by: 'remote', reason: 'client-quitting' })
    const sizes: number[] = []
    for await (const { payload } of channelOf(listener)) sizes.push(payload[0]!)
    expect(sizes).toEqual([0, 1, 2, 3, 4])
  })

  it('with a handler that throws: the sub-protocol has failed', async () => {
    const pair = new VirtualPair()
    const { dialer, listener } = await pair.open()
    channelOf(listener).onMessage = () => {
      throw new Error('not that')
    }
    channelOf(dialer).send(0, bytes(1))
    await pair.expectNothingLeft()
    expect(listener.end).toEqual({
      do: 'end',
      by: 'local',
      reason: 'subprotocol-error',
      fault: { fault: 'rlpx/handler-threw', detail: 'Error: not that' },
    })
    expect(dialer.end).toEqual({ do: 'end', by: 'remote', reason: 'subprotocol-error' })
  })

  it('although the remote does not close when it is told to', async () => {
    const pair = new VirtualPair()
    const { outcome, stream } = await pair.accept()
    stream.handler = { onData() {}, onDrain() {}, onClose() {} }
    const remote = new RawRemote(testNode(1), testNode(2).publicKey)
    stream.pause()
    stream.write(remote.auth)
    await pair.clock.advance(100)
    pair.begun.listener?.disconnect('client-quitting')
    expect(await stateOf(pair.begun.listener!.closed)).toBe('open')
    await pair.clock.advance(2001)
    expect(await stateOf(pair.begun.listener!.closed)).toBe('done')
    await expect(outcome).rejects.toMatchObject({ code: 'rlpx/disconnected', context: { reason: 'client-quitting' } })
    stream.destroy()
    await pair.expectNothingLeft()
  })
})

describe('a remote that stalls', () => {
  it.each(['accept', 'dial'] as const)('in the handshake is closed after 5 s (%s)', async (how) => {
    const pair = new VirtualPair()
    const { outcome, stream } = await pair[how]()
    stream.handler = { onData() {}, onDrain() {}, onClose() {} }
    stream.write(bytes(1))
    await pair.clock.advance(4500)
    expect(await stateOf(outcome)).toBe('open')
    await pair.clock.advance(500)
    await expect(outcome).rejects.toMatchObject({ code: 'rlpx/handshake-timeout' })
    await pair.expectNothingLeft()
  })

  it('before Hello is told, and closed', async () => {
    const pair = new VirtualPair()
    const { outcome, stream } = await pair.accept()
    const remote = new RawRemote(testNode(1), testNode(2).publicKey)
    const told: number[] = []
    stream.handler = { onData: (chunk) => told.push(...remote.receive(chunk).map(({ code }) => code)), onDrain() {}, onClose() {} }
    stream.write(remote.auth)
    await pair.clock.advance(6000)
    await expect(outcome).rejects.toMatchObject({ code: 'rlpx/hello-timeout', context: { reason: 'ping-timeout' } })
    expect(told).toEqual([0, 1])
    await pair.expectNothingLeft()
  })

  it('once it is open, is pinged, told, and closed', async () => {
    const pair = new VirtualPair()
    const { outcome, stream } = await pair.accept()
    const remote = new RawRemote(testNode(1), testNode(2).publicKey)
    const told: number[] = []
    stream.handler = { onData: (chunk) => told.push(...remote.receive(chunk).map(({ code }) => code)), onDrain() {}, onClose() {} }
    stream.write(remote.auth)
    await pair.clock.advance(100)
    stream.write(remote.hello())
    await pair.clock.advance(100)
    const connection = await outcome
    await pair.clock.advance(31_000)
    expect(connection.end).toMatchObject({ reason: 'ping-timeout', fault: { fault: 'rlpx/read-timeout' } })
    expect(told.slice(0, 2)).toEqual([0, 2])
    expect(told.at(-1)).toBe(1)
    await pair.expectNothingLeft()
  })
})

describe('setting up', () => {
  it.each([0, 5, 15, 25, 35, 45, 100])('is given up with the signal, %i ms on', async (afterMs) => {
    const pair = new VirtualPair()
    const abort = new AbortController()
    pair.clock.at(pair.clock.now() + afterMs, () => abort.abort(new Error('enough')))
    const [dialer, listener] = await pair.attempt({ signal: abort.signal })
    if (afterMs < 45) expect(dialer).toMatchObject({ status: 'rejected', reason: { message: 'enough' } })
    if (dialer.status === 'fulfilled') dialer.value.destroy()
    if (listener.status === 'fulfilled') listener.value.destroy()
    await pair.expectNothingLeft()
  })

  const refusal = (reason: Refusal['reason']): Refusal => ({ reason, code: `test/${reason}`, detail: 'no' })

  it.each(['dialer', 'listener'] as const)(
    'is refused by the %s as soon as the other is identified, and that one hears why',
    async (side) => {
      const pair = new VirtualPair()
      const asked: string[] = []
      const checkpoints = {
        encrypted: (publicKey: Uint8Array) => {
          asked.push(`encrypted ${Buffer.compare(publicKey, testNode(side === 'dialer' ? 2 : 1).publicKey)}`)
          return refusal('too-many-peers')
        },
        upgraded: () => {
          asked.push('upgraded')
          return undefined
        },
      }
      const [dialer, listener] = await pair.attempt({ [side]: { checkpoints } })
      expectRejected(side === 'dialer' ? dialer : listener, 'test/too-many-peers', { reason: 'too-many-peers' })
      expectRejected(side === 'dialer' ? listener : dialer, 'rlpx/disconnected', { by: 'remote', reason: 'too-many-peers' })
      expect(asked).toEqual(['encrypted 0'])
      await pair.expectNothingLeft()
    },
  )

  it.each(['dialer', 'listener'] as const)('is refused by the %s when the shared capabilities are known', async (side) => {
    const pair = new VirtualPair()
    const asked: unknown[] = []
    const checkpoints = {
      encrypted: () => undefined,
      upgraded: (protocols: readonly string[]) => {
        asked.push(protocols)
        return refusal('already-connected')
      },
    }
    const [dialer, listener] = await pair.attempt({ [side]: { checkpoints } })
    expectRejected(side === 'dialer' ? dialer : listener, 'test/already-connected', { reason: 'already-connected' })
    expect((side === 'dialer' ? pair.begun.listener : pair.begun.dialer)?.end).toMatchObject({ by: 'remote', reason: 'already-connected' })
    expect([dialer, listener].length).toBe(2)
    expect(asked).toEqual([['/aa/1', '/bb/2']])
    await pair.expectNothingLeft()
  })

  it('is refused where nothing is shared: a useless peer', async () => {
    const pair = new VirtualPair()
    const [dialer, listener] = await pair.attempt({ dialer: { session: testNode(1, { capabilities: [{ ...AA, version: 9 }] }) } })
    expectRejected(dialer, 'rlpx/useless-peer', { reason: 'useless-peer' })
    expectRejected(listener, 'rlpx/useless-peer', { reason: 'useless-peer' })
    await pair.expectNothingLeft()
  })

  it('with somebody else than was meant fails at the handshake', async () => {
    const pair = new VirtualPair()
    const [dialer, listener] = await pair.attempt({ listener: { session: testNode(3) } })
    expectRejected(listener, 'rlpx/bad-auth')
    expectRejected(dialer, 'rlpx/closed')
    await pair.expectNothingLeft()
  })

  it('with junk fails, and closes', async () => {
    const pair = new VirtualPair()
    const { outcome, stream } = await pair.accept()
    let isClosed = false
    stream.handler = { onData() {}, onDrain() {}, onClose: () => (isClosed = true) }
    stream.write(hex('ffff'))
    await pair.clock.advance(1000)
    await expect(outcome).rejects.toMatchObject({ code: 'rlpx/handshake-too-large' })
    expect(isClosed).toBe(true)
    await pair.expectNothingLeft()
  })

  it('leaves nothing where the network is cut at any moment', async () => {
    for (let afterMs = 12; afterMs <= 60; afterMs += 4) {
      const pair = new VirtualPair()
      pair.clock.at(pair.clock.now() + afterMs, () => pair.network.cut())
      const { accepted, dialed } = pair.start()
      await pair.clock.advance(3000)
      expect(await stateOf(dialed)).not.toBe('open')
      if (pair.begun.listener !== undefined) expect(await stateOf(accepted)).not.toBe('open')
      for (const { end } of Object.values(pair.begun)) expect(end).toMatchObject({ by: 'remote' })
      await pair.expectNothingLeft()
    }
  })
})
