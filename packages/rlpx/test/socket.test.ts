import { createServer } from 'node:net'
import { type Clock, KumikoError, systemClock } from '@kumiko/interface'
import { afterEach, describe, expect, it } from 'vitest'
import { acceptRlpx, type ConnectionOptions, connectRlpx, type RlpxConnection } from '../src/connection.ts'
import { dialTcp, listenTcp, type StreamListener } from '../src/tcp.ts'
import { testNode } from './node.ts'
import { channelOf } from './virtual-pair.ts'

const HOST = '127.0.0.1'
/** Timers that wait. Node's own count of them holds the test runner's, too. */
let timers = 0
const clock: Clock = {
  now: systemClock.now,
  at(deadline, callback) {
    if (deadline === Number.POSITIVE_INFINITY) return () => {}
    let isWaiting = true
    const done = (): void => {
      if (isWaiting) timers--
      isWaiting = false
    }
    timers++
    const cancel = systemClock.at(deadline, () => {
      done()
      callback()
    })
    return () => {
      done()
      cancel()
    }
  },
}
const options = (seed: number): ConnectionOptions => ({ session: testNode(seed), clock })

/** A closed socket's handle goes a few turns of the loop later. */
afterEach(async () => {
  await turns(10)
  expect(process.getActiveResourcesInfo().filter((name) => name.startsWith('TCP'))).toEqual([])
  expect(timers).toBe(0)
})

async function open(): Promise<{ listener: StreamListener; dialer: RlpxConnection; accepted: RlpxConnection }> {
  const accepting = Promise.withResolvers<RlpxConnection>()
  const listener = await listenTcp(HOST, 0, (stream) => accepting.resolve(acceptRlpx(stream, options(2))))
  const dialer = await connectRlpx(await dialTcp(HOST, listener.port), testNode(2).publicKey, options(1))
  return { listener, dialer, accepted: await accepting.promise }
}

describe('over TCP', () => {
  it('messages from nothing to 15 MiB go both ways, and nothing is left', async () => {
    const { accepted, dialer, listener } = await open()
    expect(accepted.remote.host).toMatch(/127\.0\.0\.1$/)
    expect(dialer.remote).toEqual({ host: HOST, port: listener.port })
    const payloads = [0, 1, 1024, 1 << 20, 15 << 20].map((size) => {
      const payload = Buffer.alloc(size)
      for (let at = 0; at + 4 <= size; at += 4) payload.writeUInt32LE(Math.imul(at + size, 0x9e3779b1) >>> 0, at)
      return payload
    })
    const carry = async (from: RlpxConnection, to: RlpxConnection): Promise<void> => {
      for (const [code, payload] of payloads.slice(0, 4).entries()) if (!channelOf(from).send(code, payload)) await channelOf(from).drain()
      channelOf(from, 'bb').send(9, payloads[4]!)
      for (const [code, payload] of payloads.slice(0, 4).entries()) {
        const message = await channelOf(to).read()
        expect([message?.code, Buffer.compare(message!.payload, payload)]).toEqual([code, 0])
      }
      const large = await channelOf(to, 'bb').read()
      expect([large?.code, Buffer.compare(large!.payload, payloads[4]!)]).toEqual([9, 0])
    }
    await Promise.all([carry(dialer, accepted), carry(accepted, dialer)])
    dialer.disconnect('client-quitting')
    await Promise.all([dialer.closed, accepted.closed, listener.close()])
    expect(accepted.end).toEqual({ do: 'end', by: 'remote', reason: 'client-quitting' })
  })

  it('a reader who does not read makes the sender wait, then gets all', async () => {
    const { accepted, dialer, listener } = await open()
    const payload = Buffer.alloc(1 << 20)
    for (let at = 0; at < payload.length; at += 4) payload.writeUInt32LE(Math.imul(at, 0x9e3779b1) >>> 0, at)
    let sent = 0
    for (let isFree = true; sent < 64 && isFree; sent++) {
      isFree = channelOf(dialer).send(0, payload)
      if (!isFree)
        isFree = await Promise.race([
          channelOf(dialer)
            .drain()
            .then(() => true),
          turns(200).then(() => false),
        ])
    }
    expect(sent).toBeLessThan(64)
    let received = 0
    for (; received < sent; received++) expect((await channelOf(accepted).read())?.payload.length).toBe(1 << 20)
    await channelOf(dialer).drain()
    accepted.disconnect('requested')
    await Promise.all([dialer.closed, accepted.closed, listener.close()])
    expect(dialer.end).toEqual({ do: 'end', by: 'remote', reason: 'requested' })
  })

  it('a remote that vanishes ends the connection', async () => {
    const { accepted, dialer, listener } = await open()
    dialer.destroy()
    await Promise.all([dialer.closed, accepted.closed, listener.close()])
    expect(accepted.end).toMatchObject({ by: 'remote', fault: { fault: 'rlpx/closed' } })
  })

  it('a connection outlives its listener', async () => {
    const { accepted, dialer, listener } = await open()
    await listener.close()
    channelOf(accepted).send(1, Uint8Array.of(7))
    expect(await channelOf(dialer).read()).toMatchObject({ code: 1 })
    accepted.disconnect('requested')
    await Promise.all([dialer.closed, accepted.closed])
  })
})

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(setImmediate)
}

describe('dialing', () => {
  it('where nobody listens says where, and what the system says', async () => {
    const { port } = await listenTcp(HOST, 0, () => {}).then(async (listener) => {
      await listener.close()
      return listener
    })
    const failed = await dialTcp(HOST, port).catch((error: unknown) => error)
    expect(failed).toBeInstanceOf(KumikoError)
    expect(failed).toMatchObject({
      code: 'rlpx/connect-failed',
      message: `cannot connect to ${HOST}:${port}: connect ECONNREFUSED ${HOST}:${port}`,
      cause: { code: 'ECONNREFUSED' },
      context: { host: HOST, port },
    })
  })

  it('is given up with the signal, before it begins or on the way', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, HOST, resolve))
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    await expect(dialTcp(HOST, port, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough')
    const abort = new AbortController()
    const dialing = dialTcp(HOST, port, abort.signal)
    abort.abort(new Error('enough'))
    await expect(dialing).rejects.toThrow('enough')
    await new Promise((resolve) => server.close(resolve))
  })

  it('is given up during the handshake, too', async () => {
    const listener = await listenTcp(HOST, 0, (stream) => {
      stream.handler = { onData() {}, onDrain() {}, onClose() {} }
    })
    const abort = new AbortController()
    const connecting = dialTcp(HOST, listener.port).then((stream) => {
      setImmediate(() => abort.abort(new Error('enough')))
      return connectRlpx(stream, testNode(2).publicKey, options(1), abort.signal)
    })
    await expect(connecting).rejects.toThrow('enough')
    await listener.close()
    await turns(20)
  })
})

describe('listening', () => {
  it('on a port that is taken says so, and how to mend it', async () => {
    const listener = await listenTcp(HOST, 0, () => {})
    await expect(listenTcp(HOST, listener.port, () => {})).rejects.toMatchObject({
      code: 'rlpx/listen-failed',
      message: `cannot listen on ${HOST}:${listener.port}: the port is taken: choose another, or 0 for any`,
      cause: { code: 'EADDRINUSE' },
    })
    await listener.close()
  })

  it('on port 0 tells the real one', async () => {
    const listener = await listenTcp(HOST, 0, () => {})
    expect([listener.host, listener.port > 0]).toEqual([HOST, true])
    await listener.close()
  })
})
