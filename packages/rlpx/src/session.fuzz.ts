import fc from 'fast-check'
import { expect, test } from 'vitest'
import { eventsOf, outputOf, type RawRemote, rawPair, testNode } from '../test/node.ts'
import { encodeHello } from './hello.ts'
import { MESSAGE_SIZE_MAX, Session, type SessionEvent } from './session.ts'
import { compress } from './snappy.ts'

/** All that a session tells of these bytes, in chunks of a size. */
function told(session: Session, bytes: Uint8Array, chunkSize: number): unknown[] {
  const events: SessionEvent[] = []
  for (let at = 0; at < bytes.length; at += chunkSize) {
    session.push(bytes.slice(at, at + chunkSize), 0)
    events.push(...eventsOf(session, 0))
  }
  return events.map((event) => (event.do === 'message' ? { ...event, payload: [...event.payload] } : event))
}

function expectSane(session: Session, events: readonly unknown[]): void {
  const ends = (events as SessionEvent[]).filter((event) => event.do === 'end').length
  expect(ends).toBe(session.isEnded ? 1 : 0)
  if (ends === 1) expect((events.at(-1) as SessionEvent).do).toBe('end')
  for (const event of events as SessionEvent[]) {
    if (event.do === 'message') expect(event.payload.length).toBeLessThanOrEqual(MESSAGE_SIZE_MAX)
  }
  expect(session.pending).toBeLessThan(100_000)
}

test('any bytes before the handshake are awaited more of, or end it, in any chunks alike', () => {
  const [options, dialed] = [testNode(1), testNode(2)]
  const start = fc.constantFrom([], [0, 120], [1, 0], [4, 0], [8, 1])
  fc.assert(
    fc.property(
      start,
      fc.uint8Array({ maxLength: 500 }),
      fc.boolean(),
      fc.integer({ min: 1, max: 99 }),
      (head, rest, isDialer, chunkSize) => {
        const bytes = Uint8Array.of(...head, ...rest)
        const run = (size: number): unknown[] => {
          const session = new Session(options, isDialer ? dialed.publicKey : undefined, 0)
          const events = told(session, bytes, size)
          expectSane(session, events)
          return events
        }
        expect(run(chunkSize)).toEqual(run(bytes.length || 1))
      },
    ),
    { numRuns: 150 },
  )
})

test('any bytes instead of frames end a session with nothing said, before Hello or after', () => {
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.uint8Array({ minLength: 32, maxLength: 200 }),
      fc.integer({ min: 1, max: 99 }),
      (isOpen, bytes, chunkSize) => {
        const { session } = rawPair(isOpen)
        outputOf(session)
        expect(told(session, bytes, chunkSize)).toEqual([{ do: 'end', by: 'local', fault: { fault: 'rlpx/bad-header-mac' } }])
        expect(outputOf(session).length).toBe(0)
      },
    ),
    { numRuns: 60 },
  )
})

const small = fc.uint8Array({ maxLength: 60 })
const content = fc.oneof(
  small,
  small.map(compress),
  fc.nat(3000).map((length) => compress(new Uint8Array(length))),
  fc.constantFrom('c0', 'c104', '04', 'ffffffff0f00', '8080800800', '8180800800', '00').map((text) => Buffer.from(text, 'hex')),
  fc
    .record({ version: fc.nat(6), name: fc.constantFrom('aa', 'bb', 'zz') })
    .map(({ version, name }) =>
      encodeHello({ version, clientId: '', capabilities: [{ name, version: 1 }], listenPort: 0, publicKey: testNode(1).publicKey }),
    ),
)
const code = fc.oneof(fc.nat(0x20), fc.constantFrom(0x10, 0x13, 0x14, 0x14 + 299, 0x14 + 300, 0xffff_ffff))
const frames = fc.array(fc.record({ code, content }), { minLength: 1, maxLength: 6 })

test('valid frames of any content are events or the end, at once or byte by byte', () => {
  const ends = new Set<string>()
  fc.assert(
    fc.property(fc.boolean(), frames, fc.integer({ min: 1, max: 70 }), (isOpen, all, chunkSize) => {
      const run = (size: number): unknown[] => {
        const { session, remote } = rawPair(isOpen)
        remote.receive(outputOf(session))
        const bytes = sealed(remote, all)
        const events = told(session, bytes, size || bytes.length)
        expectSane(session, events)
        remote.receive(outputOf(session))
        return events
      }
      const whole = run(0)
      const end = whole.at(-1) as SessionEvent | undefined
      if (end?.do === 'end') ends.add(end.fault?.fault ?? end.by)
      expect(run(chunkSize)).toEqual(whole)
    }),
    { numRuns: 250, seed: 5 },
  )
  // That the contents get far enough to be refused for what they are.
  expect([...ends]).toEqual(
    expect.arrayContaining([
      'remote',
      'rlpx/bad-code',
      'rlpx/bad-snappy',
      'rlpx/bad-hello',
      'rlpx/expected-hello',
      'rlpx/message-too-large',
    ]),
  )
})

function sealed(remote: RawRemote, all: readonly { code: number; content: Uint8Array }[]): Uint8Array {
  return Buffer.concat(all.map(({ code, content }) => remote.frame(code, content)))
}

test('any order of what our side and time may do leaves a session sane', () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('frame' as const), code, content }),
    fc.record({ do: fc.constantFrom('expire' as const, 'excuse' as const), afterMs: fc.nat(20_000) }),
    fc.record({ do: fc.constant('send' as const), index: fc.nat(2), code: fc.nat(3) }),
    fc.record({ do: fc.constant('behind' as const), isBehind: fc.boolean() }),
    fc.record({ do: fc.constantFrom('disconnect' as const, 'greet' as const) }),
  )
  fc.assert(
    fc.property(fc.boolean(), fc.array(step, { maxLength: 15 }), (isOpen, steps) => {
      const { session, remote } = rawPair(isOpen)
      let now = 0
      let ends = 0
      for (const next of steps) {
        const wasEnded = session.isEnded
        if (next.do === 'frame') session.push(remote.frame(next.code, next.content), now)
        else if (next.do === 'excuse' || next.do === 'expire') now += next.afterMs
        if (next.do === 'excuse') session.excuse(now)
        else if (next.do === 'expire') ends += session.expire(now) === undefined ? 0 : 1
        else if (next.do === 'send') session.send(next.index, next.code, Uint8Array.of(1))
        else if (next.do === 'behind') session.isBehind = next.isBehind
        else if (next.do === 'disconnect' && !wasEnded) ends += session.disconnect('requested') ? 1 : 0
        ends += eventsOf(session, now).filter((event) => event.do === 'end').length
        expect(session.deadline === Number.POSITIVE_INFINITY).toBe(session.isEnded)
        outputOf(session)
        if (wasEnded) expect(session.pending).toBe(0)
      }
      expect(ends).toBe(session.isEnded ? 1 : 0)
    }),
    { numRuns: 150 },
  )
})

test('a trickle of frames that never end holds no more than a frame', () => {
  const { session, remote } = rawPair(true)
  const frame = remote.frame(0x10, new Uint8Array(1_000_000))
  const before = process.memoryUsage().arrayBuffers
  for (let at = 0; at < frame.length - 1; at += 1000) {
    session.push(frame.slice(at, Math.min(at + 1000, frame.length - 1)), at)
    expect(session.next(at)).toBeUndefined()
  }
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4_000_000)
})
