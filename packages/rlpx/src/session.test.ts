import { encodeRlp } from '@kumiko/identity'
import { type DisconnectReason, disconnectReasons } from '@kumiko/interface'
import { describe, expect, it } from 'vitest'
import { AA, BB, eventsOf, exchange, openPair, outputOf, RawRemote, rawPair, testNode } from '../test/node.ts'
import { hex, vectors } from '../test/vectors.ts'
import { encodeDisconnect } from './disconnect.ts'
import { encodeHello } from './hello.ts'
import { DEFAULT_TIMING, Session, type SessionEvent } from './session.ts'
import { compress } from './snappy.ts'

interface Vectors {
  readonly pingPong: { readonly pingFrameData: string; readonly pongFrameData: string }
  readonly helloErrors: readonly { readonly code: number; readonly data?: string; readonly size?: number; readonly want: string }[]
  readonly maliciousHello: readonly { readonly id: string }[]
  readonly handshakeTimeouts: Readonly<Record<string, number>>
}
const published = vectors<Vectors>('p2p-base')
const [AA_0, BB_0] = [0x10, 0x14]
const bytes = (...all: number[]): Uint8Array => Uint8Array.of(...all)

/** Events, with payloads as plain arrays. */
function plain(events: readonly SessionEvent[]): unknown[] {
  return events.map((event) => (event.do === 'message' ? { ...event, payload: [...event.payload] } : event))
}

function breach(fault: string): object {
  return { do: 'end', by: 'local', reason: 'breach-of-protocol', fault: { fault } }
}

describe('two sessions', () => {
  it('identify one another, say Hello, and share what both have, in the order of names', () => {
    const [one, other] = [testNode(1), testNode(2)]
    const dialer = new Session(one, other.publicKey, 0)
    const listener = new Session(other, undefined, 0)
    const [atDialer, atListener] = exchange(dialer, listener, 0)
    const hello = ({ clientId, publicKey }: typeof one): object => ({
      version: 5,
      clientId,
      capabilities: [
        { name: 'bb', version: 2 },
        { name: 'aa', version: 1 },
      ],
      listenPort: 30303,
      publicKey,
    })
    const shared = [
      { capability: AA, offset: AA_0 },
      { capability: BB, offset: BB_0 },
    ]
    expect(atDialer).toEqual([
      { do: 'identified', publicKey: other.publicKey },
      { do: 'hello', hello: hello(other), shared },
    ])
    expect(atListener).toEqual([
      { do: 'identified', publicKey: one.publicKey },
      { do: 'hello', hello: hello(one), shared },
    ])
  })

  it('carry messages of each capability, in order', () => {
    const { dialer, listener } = openPair()
    dialer.send(0, 3, bytes(1, 2))
    dialer.send(1, 299, bytes())
    dialer.send(0, 0, new Uint8Array(100_000).fill(5))
    listener.send(1, 0, bytes(9))
    const [atDialer, atListener] = exchange(dialer, listener, 0)
    expect(plain(atDialer)).toEqual([{ do: 'message', index: 1, code: 0, payload: [9] }])
    expect(plain(atListener)).toEqual([
      { do: 'message', index: 0, code: 3, payload: [1, 2] },
      { do: 'message', index: 1, code: 299, payload: [] },
      { do: 'message', index: 0, code: 0, payload: Array(100_000).fill(5) },
    ])
  })

  it('tell the reason of every disconnect', () => {
    for (const reason of disconnectReasons()) {
      const { dialer, listener } = openPair()
      expect(dialer.disconnect(reason)).toEqual({ do: 'end', by: 'local', reason })
      expect(exchange(dialer, listener, 0)[1]).toEqual([{ do: 'end', by: 'remote', reason }])
      expect([dialer.isEnded, listener.isEnded, dialer.deadline, listener.deadline]).toEqual([true, true, Infinity, Infinity])
    }
  })

  it('are silent once they have ended', () => {
    const { dialer, listener } = openPair()
    dialer.send(0, 1, bytes(1))
    dialer.disconnect('requested')
    dialer.disconnect('client-quitting')
    dialer.send(0, 1, bytes(2))
    const [, atListener] = exchange(dialer, listener, 0)
    expect(plain(atListener)).toEqual([
      { do: 'message', index: 0, code: 1, payload: [1] },
      { do: 'end', by: 'remote', reason: 'requested' },
    ])
    expect([dialer.expire(1e9), outputOf(dialer).length]).toEqual([undefined, 0])
  })

  it('refuse codes and sizes that our caller gets wrong', () => {
    const { dialer } = openPair()
    for (const code of [-1, 4, 1.5, Number.NaN]) {
      expect(() => dialer.send(0, code, bytes())).toThrow(expect.objectContaining({ code: 'rlpx/bad-code' }))
    }
    expect(() => dialer.send(0, 0, new Uint8Array(1 << 24))).toThrow(expect.objectContaining({ code: 'rlpx/message-too-large' }))
    expect(outputOf(dialer).length).toBe(0)
  })
})

describe('disconnecting before Hello', () => {
  it('tells a remote that was identified', () => {
    const options = testNode(2)
    const session = new Session(options, undefined, 0)
    const remote = new RawRemote(testNode(1), options.publicKey)
    session.push(remote.auth, 0)
    expect(eventsOf(session, 0, false).map((event) => event.do)).toEqual(['identified'])
    session.disconnect('too-many-peers')
    expect(remote.receive(outputOf(session))).toEqual([{ code: 1, data: encodeDisconnect('too-many-peers') }])
  })

  it('tells nobody where there is no key yet', () => {
    const session = new Session(testNode(2), undefined, 0)
    expect(session.disconnect('client-quitting')).toEqual({ do: 'end', by: 'local' })
    expect(outputOf(session).length).toBe(0)
    session.push(new RawRemote(testNode(1), testNode(2).publicKey).auth, 0)
    expect([eventsOf(session, 0), outputOf(session).length]).toEqual([[], 0])
  })

  it('is heard, as a list or as a byte', () => {
    for (const data of ['c104', '04']) {
      const { session, remote } = rawPair(false)
      session.push(remote.frame(1, hex(data)), 0)
      expect(eventsOf(session, 0)).toEqual([{ do: 'end', by: 'remote', reason: 'too-many-peers' }])
    }
  })
})

describe('time', () => {
  it('is as published', () => {
    const { handshakeMs, pingMs, readMs } = DEFAULT_TIMING
    const { 'geth encHandshake+protoHandshake': handshake, frameRead, pingInterval } = published.handshakeTimeouts
    expect([handshakeMs, readMs, pingMs]).toEqual([handshake, frameRead, pingInterval])
  })

  it('ends a handshake that stalls, with nothing said, and however its bytes trickle', () => {
    for (const key of [undefined, testNode(2).publicKey]) {
      const session = new Session(testNode(1), key, 100)
      outputOf(session)
      expect(session.deadline).toBe(5100)
      session.push(bytes(1), 4000)
      expect([session.deadline, session.expire(5099)]).toEqual([5100, undefined])
      expect(session.expire(5100)).toEqual({ do: 'end', by: 'local', fault: { fault: 'rlpx/handshake-timeout' } })
      expect([outputOf(session).length, session.deadline]).toEqual([0, Infinity])
    }
  })

  it('gives Hello as long again, and tells a remote that stalls', () => {
    const options = testNode(2)
    const session = new Session(options, undefined, 0)
    const remote = new RawRemote(testNode(1), options.publicKey)
    session.push(remote.auth, 3000)
    eventsOf(session, 3000)
    remote.receive(outputOf(session))
    expect(session.deadline).toBe(8000)
    session.push(bytes(1), 7000)
    expect(session.expire(7999)).toBeUndefined()
    expect(session.expire(8000)).toEqual({ do: 'end', by: 'local', reason: 'ping-timeout', fault: { fault: 'rlpx/hello-timeout' } })
    expect(remote.receive(outputOf(session))).toEqual([{ code: 1, data: encodeDisconnect('ping-timeout') }])
  })

  it('pings every 15 s, in the published form; the remote answers with a pong', () => {
    const { session, remote } = rawPair(true)
    expect(session.deadline).toBe(15_000)
    expect([session.expire(14_999), outputOf(session).length]).toEqual([undefined, 0])
    expect(session.expire(15_000)).toBeUndefined()
    const [ping] = remote.receive(outputOf(session))
    expect(Buffer.from([ping!.code, ...ping!.data]).toString('hex')).toBe(published.pingPong.pingFrameData)
    expect(session.deadline).toBe(30_000)
    session.push(remote.frame(3, hex('c0'), true), 16_000)
    expect([eventsOf(session, 16_000), session.deadline]).toEqual([[], 30_000])
    session.expire(30_000)
    expect(session.deadline).toBe(45_000)
  })

  it('answers a ping with a pong in the published form', () => {
    const { session, remote } = rawPair(true)
    session.push(remote.frame(2, hex('c0'), true), 0)
    expect(eventsOf(session, 0)).toEqual([])
    const [pong] = remote.receive(outputOf(session))
    expect(Buffer.from([pong!.code, ...pong!.data]).toString('hex')).toBe(published.pingPong.pongFrameData)
  })

  it('ends a session whose remote trickles half a frame: bytes are no frame', () => {
    const { session, remote } = rawPair(true)
    const frame = remote.frame(AA_0, bytes(1, 2, 3), true)
    for (let i = 0; i < 29; i++) {
      session.push(frame.subarray(i, i + 1), i * 1000)
      expect(eventsOf(session, i * 1000)).toEqual([])
      session.expire(i * 1000)
    }
    expect(session.expire(30_000)).toMatchObject({ fault: { fault: 'rlpx/read-timeout' } })
  })

  it('ends a session whose remote says nothing for 30 s', () => {
    const { session, remote } = rawPair(true)
    session.expire(15_000)
    session.push(remote.frame(AA_0, bytes(), true), 20_000)
    eventsOf(session, 20_000)
    session.expire(30_000)
    session.expire(45_000)
    expect(session.deadline).toBe(50_000)
    expect(session.expire(50_000)).toEqual({ do: 'end', by: 'local', reason: 'ping-timeout', fault: { fault: 'rlpx/read-timeout' } })
    const told = remote.receive(outputOf(session)).map(({ code }) => code)
    expect(told).toEqual([2, 2, 2, 1])
  })

  it('does not count while it was we who did not read', () => {
    const { session } = rawPair(true)
    session.excuse(29_000)
    session.expire(30_000)
    expect(session.expire(58_999)).toBeUndefined()
    expect(session.expire(59_000)).toMatchObject({ reason: 'ping-timeout' })
  })
})

describe('pings by the hundred', () => {
  const hundred = (remote: RawRemote): Buffer => Buffer.concat(Array.from({ length: 100 }, () => remote.frame(2, hex('c0'), true)))

  it('are answered', () => {
    const { session, remote } = rawPair(true)
    session.push(hundred(remote), 0)
    expect(eventsOf(session, 0)).toEqual([])
    expect(remote.receive(outputOf(session)).map(({ code }) => code)).toEqual(Array(100).fill(3))
  })

  it('are answered once where the remote does not take its pongs', () => {
    const { session, remote } = rawPair(true)
    session.isBehind = true
    session.push(hundred(remote), 0)
    expect([eventsOf(session, 0), session.pending]).toEqual([[], 0])
    session.isBehind = false
    expect(remote.receive(outputOf(session)).map(({ code }) => code)).toEqual([3])
    session.isBehind = true
    session.isBehind = false
    expect(session.pending).toBe(0)
  })
})

describe('Hello', () => {
  it.each(published.helloErrors)('published fault: code $code, $want', ({ code, data, size, want }) => {
    const { session, remote } = rawPair(false)
    const content =
      size === undefined
        ? hex(data ?? Buffer.from(encodeRlp([3, Buffer.from(''), [], 0, new Uint8Array()])).toString('hex'))
        : new Uint8Array(size)
    session.push(remote.frame(code, content), 0)
    const wanted: Readonly<Record<string, object>> = {
      'Disconnect ClientQuitting': { by: 'remote', reason: 'client-quitting' },
      'Disconnect ClientQuitting (legacy byte)': { by: 'remote', reason: 'client-quitting' },
      'expected handshake': breach('rlpx/expected-hello'),
      'message too big (max 2048)': breach('rlpx/frame-too-large'),
      'malformed: expected list': breach('rlpx/bad-hello'),
      'Disconnect InvalidIdentity (id must be 64 non-zero bytes)': { reason: 'null-identity', fault: { fault: 'rlpx/null-identity' } },
    }
    expect(wanted[want]).toBeDefined()
    expect(eventsOf(session, 0)).toMatchObject([wanted[want]])
  })

  it.each(published.maliciousHello.map((one, i) => ({ i, ...one })))('malicious case $i, id $id', ({ i, id }) => {
    const { session, remote } = rawPair(false)
    const publicKey = id.startsWith('ok') ? remote.options.publicKey : new Uint8Array(Number.parseInt(id, 10)).fill(7)
    const capabilities = i === 0 || i === 4 ? [{ name: 'x'.repeat(2048), version: 68 }] : [{ name: 'aa', version: 1 }]
    session.push(remote.hello({ capabilities, publicKey }), 0)
    const [event] = eventsOf(session, 0)
    expect(event).toMatchObject({ do: 'end', by: 'local' })
    expect(session.isEnded).toBe(true)
  })

  it('with another key than the handshake is an unexpected identity, on either side', () => {
    const { session, remote } = rawPair(false)
    session.push(remote.hello({ publicKey: testNode(3).publicKey }), 0)
    const end = { do: 'end', by: 'local', reason: 'unexpected-identity', fault: { fault: 'rlpx/unexpected-identity' } }
    expect(eventsOf(session, 0)).toEqual([end])
    expect(remote.receive(outputOf(session))).toEqual([{ code: 1, data: encodeDisconnect('unexpected-identity') }])
    const one = testNode(1)
    const dialer = new Session(one, testNode(2).publicKey, 0)
    const listener = new Session({ ...testNode(2), publicKey: testNode(3).publicKey }, undefined, 0)
    const [atDialer, atListener] = exchange(dialer, listener, 0)
    expect(atDialer.at(-1)).toEqual(end)
    expect(atListener.at(-1)).toEqual({ do: 'end', by: 'remote', reason: 'unexpected-identity' })
  })

  it('of version 3 is refused, of any from 4 on taken', () => {
    for (const version of [0, 3]) {
      const { session, remote } = rawPair(false)
      session.push(remote.hello({ version }), 0)
      expect(eventsOf(session, 0)).toMatchObject([{ reason: 'incompatible-version', fault: { fault: 'rlpx/incompatible-version' } }])
    }
    for (const version of [4, 5, 6, 22]) {
      const { session, remote } = rawPair(false)
      session.push(remote.hello({ version }), 0)
      expect(eventsOf(session, 0)).toMatchObject([{ do: 'hello', hello: { version } }])
    }
  })

  it('of version 4 means that nothing is compressed', () => {
    const { session, remote } = rawPair(true, {}, { version: 4 })
    session.send(0, 1, new Uint8Array(50))
    expect(remote.receive(outputOf(session))).toEqual([{ code: AA_0 + 1, data: new Uint8Array(50) }])
    session.push(remote.frame(AA_0 + 1, bytes(1, 2, 3)), 0)
    session.push(remote.frame(1, encodeDisconnect('useless-peer')), 0)
    expect(plain(eventsOf(session, 0))).toEqual([
      { do: 'message', index: 0, code: 1, payload: [1, 2, 3] },
      { do: 'end', by: 'remote', reason: 'useless-peer' },
    ])
  })

  it('with nothing to share is told as such, and what follows belongs to nobody', () => {
    const { session, remote } = rawPair(false)
    session.push(remote.hello({ capabilities: [{ name: 'aa', version: 7 }] }), 0)
    expect(eventsOf(session, 0)).toMatchObject([{ do: 'hello', shared: [] }])
    session.push(remote.frame(0x10, bytes(), true), 0)
    expect(eventsOf(session, 0)).toMatchObject([breach('rlpx/bad-code')])
  })

  it('is awaited before any message, and comes once', () => {
    const early = rawPair(false)
    early.session.push(early.remote.frame(AA_0, bytes(), true), 0)
    expect(eventsOf(early.session, 0)).toMatchObject([breach('rlpx/expected-hello')])
    const { session, remote } = rawPair(true)
    const { clientId, listenPort, publicKey } = remote.options
    session.push(remote.frame(0, encodeHello({ version: 5, clientId, listenPort, publicKey, capabilities: [AA] }), true), 0)
    expect(eventsOf(session, 0)).toMatchObject([breach('rlpx/repeated-hello')])
  })

  it('may come in one chunk with the handshake and with messages', () => {
    const options = testNode(2)
    const dialer = new Session(testNode(1), options.publicKey, 0)
    const listener = new Session(options, undefined, 0)
    listener.push(outputOf(dialer), 0)
    eventsOf(listener, 0)
    dialer.push(outputOf(listener), 0)
    expect(eventsOf(dialer, 0).map((event) => event.do)).toEqual(['identified', 'hello'])
    dialer.send(0, 2, bytes(8))
    listener.push(outputOf(dialer), 0)
    expect(eventsOf(listener, 0).map((event) => event.do)).toEqual(['hello', 'message'])
  })
})

describe('a remote in breach of protocol is told so', () => {
  const cases: [string, (remote: RawRemote) => Uint8Array, string][] = [
    ['a code beyond the last capability', (remote) => remote.frame(BB_0 + 300, bytes(), true), 'rlpx/bad-code'],
    ['a huge code', (remote) => remote.frame(0xffff_ffff, bytes(), true), 'rlpx/bad-code'],
    ['a snappy bomb', (remote) => remote.frame(AA_0, hex('ffffffff0f00')), 'rlpx/message-too-large'],
    ['a message of 16 MiB + 1', (remote) => remote.frame(AA_0, hex('8180800800')), 'rlpx/message-too-large'],
    ['data that are not compressed', (remote) => remote.frame(AA_0, hex('0511223344')), 'rlpx/bad-snappy'],
    ['no data at all', (remote) => remote.frame(AA_0, bytes()), 'rlpx/bad-snappy'],
  ]
  it.each(cases)('%s', (_, make, fault) => {
    const { session, remote } = rawPair(true)
    session.push(make(remote), 0)
    expect(eventsOf(session, 0)).toMatchObject([breach(fault)])
    expect(remote.receive(outputOf(session))).toEqual([
      { code: 1, data: Uint8Array.from(compress(encodeDisconnect('breach-of-protocol'))) },
    ])
    session.push(remote.frame(AA_0, bytes(1), true), 0)
    expect(eventsOf(session, 0)).toEqual([])
  })

  it('but not where its MAC is wrong: who knows who that is', () => {
    const { session, remote } = rawPair(true)
    const frame = Uint8Array.from(remote.frame(AA_0, bytes(1), true))
    frame[50]! ^= 1
    session.push(frame, 0)
    expect(eventsOf(session, 0)).toEqual([{ do: 'end', by: 'local', fault: { fault: 'rlpx/bad-frame-mac' } }])
    expect(outputOf(session).length).toBe(0)
  })

  it('but not for base messages that nobody knows yet, nor for a pong that nobody asked for', () => {
    const { session, remote } = rawPair(true)
    for (let code = 3; code < 0x10; code++) session.push(remote.frame(code, bytes(0xff, 0xff)), 0)
    session.push(remote.frame(AA_0 + 3, bytes(4), true), 0)
    expect(plain(eventsOf(session, 0))).toEqual([{ do: 'message', index: 0, code: 3, payload: [4] }])
  })
})

describe('a disconnect', () => {
  it.each([
    ['a list', 'c104', true, 'too-many-peers'],
    ['a byte, as @ethereumjs/devp2p sends it', '04', false, 'too-many-peers'],
    ['a list that is not compressed', 'c104', false, 'too-many-peers'],
    ['a reason that nobody knows', 'c163', true, undefined],
    ['an empty list', 'c0', true, undefined],
    ['nothing', '', false, undefined],
    ['far more than a reason', 'ff'.repeat(3000), false, undefined],
  ] as const)('as %s', (_, data, isCompressed, reason: DisconnectReason | undefined) => {
    const { session, remote } = rawPair(true)
    session.push(remote.frame(1, hex(data), isCompressed), 0)
    expect(eventsOf(session, 0)).toEqual([reason === undefined ? { do: 'end', by: 'remote' } : { do: 'end', by: 'remote', reason }])
    expect(outputOf(session).length).toBe(0)
  })
})
