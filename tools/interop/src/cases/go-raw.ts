import { deepEqual, equal } from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { type DisconnectReason, disconnectCode, disconnectReasons } from '@kumiko/interface'
import type { Case } from '../case.ts'
import { withTwoCapabilities } from '../converse.ts'
import type { DisconnectForm } from '../foreign-event.ts'
import { withoutGo } from '../go-build.ts'
import { type GoPeer, type RawConnection, type RawHello, startGoPeer } from '../go-peer.ts'
import { type OurPeer, type OurPeerOptions, startOurPeer } from '../our-peer.ts'
import { payload } from '../payload.ts'

/** Code 0 of the first capability. */
const FIRST = 16
const KECHO: RawHello = { caps: [{ name: 'kecho', version: 1 }] }
const FORMS: readonly DisconnectForm[] = ['list', 'bare']

/** What go-ethereum's server would never do is done by its `rlpx.Conn`. */
export const goRawCases: readonly Case[] = [
  rawCase('Hello with more fields, unknown capabilities and a long name', {}, async (ours, go) => {
    const caps = [
      { name: 'kecho', version: 1 },
      { name: 'kecho', version: 9 },
      { name: 'unknown', version: 1 },
      { name: 'farTooLongAName', version: 1 },
    ]
    for (const raw of [await go.rawDial(ours.enode), await dialedByUs(ours, go)]) {
      await raw.hello({ caps, client: 'raw', extra: ['01', 'c20102', '83010203'] })
      const hello = await raw.next('rlpx-hello')
      deepEqual([hello.version, hello.nodeId, hello.caps, hello.extra], [5, ours.id, [{ name: 'kecho', version: 1 }], 0])
      equal(`:${hello.port}`, /:\d+/.exec(ours.enode)?.[0])
      equal((await ours.next('added')).client, 'raw')
      await echoedRaw(raw, FIRST, 100)
      await raw.close()
      await ours.next('dropped')
    }
  }),
  rawCase('capabilities begin at their offsets, in the order of names', withTwoCapabilities, async (ours, go) => {
    const raw = await go.rawDial(ours.enode)
    await raw.hello({ caps: [...(withTwoCapabilities.capabilities ?? [])].map(({ name, version }) => ({ name, version })) })
    await raw.next('rlpx-hello')
    await echoedRaw(raw, FIRST, 10)
    equal((await ours.next('message')).cap, 'kecho')
    await echoedRaw(raw, FIRST + 4, 10)
    equal((await ours.next('message')).cap, 'zz')
  }),
  rawCase('their ping is answered, and ours comes', { timing: { pingMs: 200 } }, async (ours, go) => {
    const raw = await greet(ours, await go.rawDial(ours.enode))
    await raw.ping()
    const pong = await raw.next('rlpx-pong')
    deepEqual([pong.hex, pong.compressed], ['c0', true])
    const ping = await raw.next('rlpx-ping')
    deepEqual([ping.hex, ping.compressed], ['c0', true])
    await raw.pong()
    await echoedRaw(raw, FIRST, 5)
  }),
  rawCase('version 4 is spoken to, uncompressed', {}, async (ours, go) => {
    const raw = await greet(ours, await go.rawDial(ours.enode), { ...KECHO, version: 4 })
    await echoedRaw(raw, FIRST, 100_000, false)
    await raw.ping()
    equal((await raw.next('rlpx-pong')).compressed, false)
    await raw.disconnect(disconnectCode('client-quitting'))
    equal((await ours.next('dropped')).reason, disconnectCode('client-quitting'))
  }),
  rawCase('every disconnect reason in every form', {}, async (ours, go) => {
    for (const reason of disconnectReasons()) {
      for (const form of FORMS) {
        for (const snappy of [true, false]) {
          const raw = await greet(ours, await go.rawDial(ours.enode))
          await raw.disconnect(disconnectCode(reason), form, snappy)
          const { reason: heard, requested } = await ours.next('dropped')
          deepEqual({ reason, form, snappy, heard, requested }, { reason, form, snappy, heard: disconnectCode(reason), requested: true })
        }
      }
    }
  }),
  rawCase('a disconnect without a reason', {}, async (ours, go) => {
    for (const form of ['empty', 'empty-list'] as const) {
      const raw = await greet(ours, await go.rawDial(ours.enode))
      await raw.disconnect(0, form)
      equal((await ours.next('dropped')).requested, true)
    }
  }),
  rawCase('a disconnect in place of Hello, whoever dials', {}, async (ours, go) => {
    const inbound = await go.rawDial(ours.enode)
    await inbound.disconnect(disconnectCode('too-many-peers'))
    await inbound.close()
    const enode = await go.rawListen()
    const dial = ours.dial(enode).catch((error: unknown) => String(error))
    const outbound = await go.rawAccepted()
    await outbound.disconnect(disconnectCode('too-many-peers'))
    equal(/too-many-peers/.exec(await dial)?.[0], 'too-many-peers')
  }),
  rawCase('a disconnect right behind Hello tells the dial why', {}, async (ours, go) => {
    const enode = await go.rawListen()
    for (let round = 0; round < 10; round++) {
      const dial = ours.dial(enode).then(
        async () => String((await ours.next('dropped')).reason),
        (error: unknown) => (/too-many-peers/.test(String(error)) ? '4' : String(error)),
      )
      const raw = await go.rawAccepted()
      await Promise.all([raw.hello(KECHO), raw.disconnect(disconnectCode('too-many-peers'), 'list', false)])
      equal(await dial, '4')
    }
  }),
  refused('Hello of version 3', 'incompatible-version', async (raw) => raw.hello({ ...KECHO, version: 3 })),
  refused("Hello with another's id", 'unexpected-identity', async (raw) => raw.hello({ ...KECHO, nodeId: 'ab'.repeat(64) })),
  refused('Hello with no id', 'null-identity', async (raw) => raw.hello({ ...KECHO, nodeId: '00'.repeat(64) })),
  refused('Hello with no capability of ours', 'useless-peer', async (raw) => raw.hello({ caps: [{ name: 'other', version: 1 }] })),
  refused('a message before Hello', 'breach-of-protocol', async (raw) => {
    await raw.write(FIRST, { hex: 'c0' })
    await raw.hello(KECHO) // only then it reads what follows our Hello
  }),
  refused('a Hello over 2 KiB', 'breach-of-protocol', async (raw) => raw.hello({ ...KECHO, client: 'x'.repeat(3000) })),
  refused('a Hello that is no list', 'breach-of-protocol', async (raw) => {
    await raw.write(0, { hex: '83010203', snappy: false })
    await raw.hello(KECHO)
  }),
  refused(
    'no Hello in time',
    'ping-timeout',
    async (raw) => {
      await delay(700)
      await raw.hello(KECHO)
    },
    { timing: { handshakeMs: 500 } },
  ),
  breach('a second Hello', async (raw) => raw.hello(KECHO)),
  breach('a message of no capability', async (raw) => raw.write(FIRST + 4, { hex: 'c0' })),
  breach('a message that does not decompress', async (raw) => raw.write(FIRST, { hex: 'ff'.repeat(10), snappy: false })),
  breach('a message that would decompress to 2 GiB', async (raw) => raw.write(FIRST, { hex: 'ffffffff07fe0000', snappy: false })),
  rawCase('a frame with a wrong MAC', {}, async (ours, go) => {
    const raw = await greet(ours, await go.rawDial(ours.enode))
    await raw.bytes('00'.repeat(64))
    equal((await ours.next('dropped')).error, 'rlpx/bad-header-mac')
    await raw.next('rlpx-closed')
  }),
  rawCase('silence ends the connection', { timing: { pingMs: 100, readMs: 500 } }, async (ours, go) => {
    const raw = await greet(ours, await go.rawDial(ours.enode))
    equal((await raw.next('rlpx-disconnect')).reason, disconnectCode('ping-timeout'))
    equal((await ours.next('dropped')).error, 'rlpx/read-timeout')
  }),
  rawCase('we close a connection that breaks off', {}, async (ours, go) => {
    const raw = await greet(ours, await go.rawDial(ours.enode))
    await raw.close()
    equal((await ours.next('dropped')).error, 'rlpx/closed')
  }),
]

/** A case with a Host of ours and the raw level. At its end a good peer must find all slots free. */
function rawCase(what: string, options: OurPeerOptions, run: (ours: OurPeer, go: GoPeer) => Promise<void>): Case {
  return {
    name: `kumiko ↔ go raw: ${what}`,
    prepare: withoutGo,
    deadlineMs: 30_000,
    run: async () => {
      await using ours = await startOurPeer({ maxPeers: 10, ...options })
      await using go = await startGoPeer()
      if (go === undefined) throw new Error('the Go peer is gone')
      await run(ours, go)
      ours.events.drain()
      await greet(ours, await go.rawDial(ours.enode))
      return undefined
    },
  }
}

/** A connection that we refuse before it is a peer. */
function refused(what: string, reason: DisconnectReason, act: (raw: RawConnection) => Promise<void>, options: OurPeerOptions = {}): Case {
  return rawCase(`${what}: ${reason}`, options, async (ours, go) => {
    for (const raw of [await go.rawDial(ours.enode), await dialedByUs(ours, go)]) {
      await act(raw)
      const { reason: heard, form } = await raw.next('rlpx-disconnect')
      deepEqual([heard, form], [disconnectCode(reason), 'list'])
      await raw.next('rlpx-closed')
    }
    deepEqual(ours.host.connectionManager.peers(), [])
  })
}

/** A peer that breaks the protocol. */
function breach(what: string, act: (raw: RawConnection) => Promise<void>): Case {
  return rawCase(`${what}: breach-of-protocol`, {}, async (ours, go) => {
    const raw = await greet(ours, await go.rawDial(ours.enode))
    await act(raw)
    equal((await raw.next('rlpx-disconnect')).reason, disconnectCode('breach-of-protocol'))
    deepEqual((await ours.next('dropped')).requested, false)
  })
}

/** The other end of a connection that we open. What becomes of the dial is for others to see. */
async function dialedByUs(ours: OurPeer, go: GoPeer): Promise<RawConnection> {
  ours.dial(await go.rawListen()).catch(() => {})
  return await go.rawAccepted()
}

async function greet(ours: OurPeer, raw: RawConnection, hello: RawHello = KECHO): Promise<RawConnection> {
  await raw.hello(hello)
  await raw.next('rlpx-hello')
  await ours.next('added')
  return raw
}

/** Asks the capability that begins at `code` for an echo. */
async function echoedRaw(raw: RawConnection, code: number, size: number, compressed = true): Promise<void> {
  const seed = size + 1
  await raw.write(code, { size, seed })
  const sha256 = createHash('sha256').update(payload(seed, size)).digest('hex')
  const answer = await raw.next('rlpx-message')
  deepEqual([answer.code, answer.size, answer.sha256, answer.compressed], [code + 1, size, sha256, compressed])
}
