import { deepEqual, equal } from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { Case } from './case.ts'
import { startEjsPeer } from './ejs-peer.ts'
import { ECHO, ECHOED, type ForeignPeer, type ForeignPeerOptions, SINK } from './foreign-peer.ts'
import { goPeerProgram } from './go-build.ts'
import { type GoPeer, startGoPeer } from './go-peer.ts'
import { payload } from './payload.ts'

const MIB = 2 ** 20
const SIZES = [0, 1, 1024, MIB]
const LARGE = 15 * MIB
const TOO_MANY_PEERS = 4
const CLIENT_QUITTING = 8
const NO_GO = 'Go is not installed'

const withTwoCapabilities: ForeignPeerOptions = {
  capabilities: [
    { name: 'zz', version: 2, length: 3 },
    { name: 'kecho', version: 1, length: 4 },
  ],
}

/** The drivers and peers by themselves: where these fail, no other case means anything. */
export const controlCases: readonly Case[] = [
  {
    name: 'go ↔ go (control)',
    prepare: async () => ((await goPeerProgram()) === undefined ? NO_GO : undefined),
    run: async () => {
      await using a = await startGoPeer({ ...withTwoCapabilities, client: 'first' })
      await using b = await startGoPeer(withTwoCapabilities)
      if (a === undefined || b === undefined) return NO_GO
      await converse(a, b)
      await rawGo(a, b)
      return undefined
    },
  },
  {
    name: 'ejs ↔ ejs (control)',
    run: async () => {
      await using a = await startEjsPeer({ ...withTwoCapabilities, client: 'first' })
      await using b = await startEjsPeer(withTwoCapabilities)
      await converse(a, b, SIZES) // 15 MiB through two of these takes 10 s
      return undefined
    },
  },
  {
    name: 'go ↔ ejs (control)',
    deadlineMs: 60_000,
    prepare: async () => ((await goPeerProgram()) === undefined ? NO_GO : undefined),
    run: async () => {
      await using a = await startGoPeer({ ...withTwoCapabilities, client: 'first' })
      await using b = await startEjsPeer(withTwoCapabilities)
      if (a === undefined) return NO_GO
      await converse(a, b)
      return undefined
    },
  },
]

/** `a` dials `b`; they echo all sizes both ways, count some, and part with a reason. */
async function converse(a: ForeignPeer, b: ForeignPeer, sizes: readonly number[] = [...SIZES, LARGE]): Promise<void> {
  equal(await a.dial(b.enode), b.id)
  const added = await b.next('added')
  equal(added.peer, a.id)
  equal(added.client, 'first')
  equal(added.inbound, true)
  equal([...added.caps].sort().join(), 'kecho/1,zz/2')
  for (const size of sizes) {
    await echoed(a, b, 'kecho', size)
    await echoed(b, a, 'zz', size)
  }
  await a.send({ cap: 'zz', code: SINK, size: 100, count: 50 })
  await echoed(a, b, 'zz', 3) // what came before it has been counted by then
  deepEqual(await b.stats(), { zz: { bytes: 5000, count: 50 } })
  await a.disconnect(TOO_MANY_PEERS)
  const dropped = await b.next('dropped')
  equal(dropped.reason, TOO_MANY_PEERS)
  equal(dropped.requested, true)
}

async function echoed(from: ForeignPeer, to: ForeignPeer, cap: string, size: number): Promise<void> {
  const seed = size + 1
  const sha256 = createHash('sha256').update(payload(seed, size)).digest('hex')
  await from.send({ cap, code: ECHO, size, seed })
  const asked = await to.next('message', 30_000)
  const answered = await from.next('message', 30_000)
  for (const [message, code] of [
    [asked, ECHO],
    [answered, ECHOED],
  ] as const) {
    equal(`${message.cap} ${message.code} ${message.size} ${message.sha256}`, `${cap} ${code} ${size} ${sha256}`)
  }
}

/** The raw level: `raw` dials the server of `server`, and a raw listener of it. */
async function rawGo(raw: GoPeer, server: GoPeer): Promise<void> {
  const dialed = await raw.rawDial(server.enode)
  await dialed.hello({ caps: [{ name: 'zz', version: 2 }], extra: ['01', 'c20102'] })
  equal((await dialed.next('rlpx-hello')).version, 5)
  await server.next('added')
  await dialed.ping()
  equal((await dialed.next('rlpx-pong')).compressed, true)
  await dialed.disconnect(CLIENT_QUITTING, 'bare', true)
  equal((await server.next('dropped')).reason, CLIENT_QUITTING)

  const useless = await raw.rawDial(server.enode)
  await useless.hello({ caps: [{ name: 'other', version: 1 }] })
  const refused = await useless.next('rlpx-disconnect')
  equal(`${refused.reason} ${refused.form}`, '3 list')
  await server.next('refused')

  const other = await raw.rawDial(await server.rawListen())
  const accepted = await server.rawAccepted()
  await other.disconnect(TOO_MANY_PEERS)
  const early = await accepted.next('rlpx-disconnect')
  equal(`${early.reason} ${early.form} ${early.compressed}`, '4 list false')
}
