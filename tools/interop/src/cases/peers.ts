import { deepEqual, equal, rejects } from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { type DisconnectReason, disconnectCode, disconnectReason, disconnectReasons } from '@kumiko/interface'
import type { Case } from '../case.ts'
import { converse, echoed, part, withTwoCapabilities } from '../converse.ts'
import { startEjsPeer } from '../ejs-peer.ts'
import type { ForeignPeer, ForeignPeerOptions } from '../foreign-peer.ts'
import { withoutGo } from '../go-build.ts'
import { startGoPeer } from '../go-peer.ts'
import { type AnyPeer, startOurPeer } from '../our-peer.ts'

interface Kind {
  readonly name: string
  readonly prepare?: Case['prepare']
  start(options?: ForeignPeerOptions): Promise<ForeignPeer>
  /** Reasons that it does not send: it just closes. */
  readonly unsent: readonly DisconnectReason[]
}

const kinds: readonly Kind[] = [
  { name: 'ejs', start: startEjsPeer, unsent: [] },
  {
    name: 'go',
    prepare: withoutGo,
    start: async (options) => {
      const peer = await startGoPeer(options)
      if (peer === undefined) throw new Error('the Go peer is gone')
      return peer
    },
    unsent: ['tcp-error'],
  },
]

const OTHER = { capabilities: [{ name: 'other', version: 1, length: 1 }] }
const KEY = '1'.repeat(64)

/** What a whole peer of another implementation is tried with. */
export const peerCases: readonly Case[] = kinds.flatMap((kind) =>
  casesWith(kind).map((each) => ({ ...each, ...(kind.prepare === undefined ? {} : { prepare: kind.prepare }) })),
)

function casesWith({ name, start, unsent }: Kind): Case[] {
  const weDial = `kumiko → ${name}`
  const theyDial = `${name} → kumiko`
  const both = `kumiko ↔ ${name}`
  return [
    {
      name: `${weDial}: Hello, two capabilities, 0 B to 15 MiB both ways`,
      deadlineMs: 60_000,
      run: done(async () => {
        await using ours = await startOurPeer({ ...withTwoCapabilities, client: 'first' })
        await using theirs = await start(withTwoCapabilities)
        await converse(ours, theirs)
      }),
    },
    {
      name: `${theyDial}: Hello, two capabilities, 0 B to 15 MiB both ways`,
      deadlineMs: 60_000,
      run: done(async () => {
        await using ours = await startOurPeer(withTwoCapabilities)
        await using theirs = await start({ ...withTwoCapabilities, client: 'first' })
        await converse(theirs, ours)
      }),
    },
    {
      name: `${both}: our pings are answered`,
      run: done(async () => {
        await using ours = await startOurPeer({ timing: { pingMs: 100, readMs: 600 } })
        await using theirs = await start()
        await ours.dial(theirs.enode)
        await delay(2000) // without pongs we would end it after 600 ms
        await echoed(ours, theirs, 'kecho', 5)
        await part(ours, theirs, disconnectCode('requested'))
      }),
    },
    ...(name === 'ejs' ? [pingedByEjs()] : [fullGo()]),
    {
      name: `${weDial}: every disconnect reason, ours to them`,
      deadlineMs: 60_000,
      run: done(async () => {
        await using ours = await startOurPeer()
        await using theirs = await start()
        await partWithAll(ours, ours, theirs, disconnectReasons())
      }),
    },
    {
      name: `${weDial}: every disconnect reason, theirs to us`,
      deadlineMs: 60_000,
      run: done(async () => {
        await using ours = await startOurPeer()
        await using theirs = await start()
        await partWithAll(ours, theirs, ours, sent(unsent))
      }),
    },
    {
      name: `${theyDial}: every disconnect reason, ours to them`,
      deadlineMs: 60_000,
      run: done(async () => {
        await using ours = await startOurPeer()
        await using theirs = await start()
        await partWithAll(theirs, ours, theirs, disconnectReasons())
      }),
    },
    {
      name: `${theyDial}: every disconnect reason, theirs to us`,
      deadlineMs: 60_000,
      run: done(async () => {
        await using ours = await startOurPeer()
        await using theirs = await start()
        await partWithAll(theirs, theirs, ours, sent(unsent))
      }),
    },
    {
      name: `${both}: useless peer, whoever dials`,
      run: done(async () => {
        await using ours = await startOurPeer()
        await using useless = await start(OTHER)
        await using useful = await start()
        await rejects(ours.dial(useless.enode), /useless-peer|shared capability/)
        await rejects(useless.dial(ours.enode), hasReason('useless-peer'))
        await useful.dial(ours.enode)
        await echoed(ours, useful, 'kecho', 9)
      }),
    },
    {
      name: `${theyDial}: too many peers, and the slot comes back`,
      run: done(async () => {
        await using ours = await startOurPeer({ maxPeers: 2 }) // one of them for those that we dial
        await using first = await start()
        await using second = await start()
        await first.dial(ours.enode)
        await first.next('added')
        await rejectsOrDrops(second, () => second.dial(ours.enode), 'too-many-peers')
        await part(ours, first, disconnectCode('requested'))
        await second.dial(ours.enode)
        await echoed(second, ours, 'kecho', 9)
      }),
    },
    {
      name: `${theyDial}: a second connection is refused, the first goes on`,
      run: done(async () => {
        await using ours = await startOurPeer()
        await using first = await start({ key: KEY })
        await using second = await start({ key: KEY })
        await first.dial(ours.enode)
        await first.next('added')
        await rejectsOrDrops(second, () => second.dial(ours.enode), 'already-connected')
        await echoed(first, ours, 'kecho', 9)
        equal(ours.host.connectionManager.peers().length, 1)
      }),
    },
    {
      name: `${theyDial}: with our own key they are told that they are us`,
      run: done(async () => {
        await using ours = await startOurPeer({ key: KEY })
        await using self = await start({ key: KEY, ...OTHER })
        await using other = await start()
        await rejects(ours.dial(self.enode), /ourselves/)
        if (name === 'go') await rejects(self.dial(ours.enode), hasReason('connected-to-self'))
        await other.dial(ours.enode)
        await echoed(ours, other, 'kecho', 9)
      }),
    },
    {
      name: `${weDial}: another identity than we meant`,
      run: done(async () => {
        await using ours = await startOurPeer()
        await using theirs = await start()
        await using other = await start()
        await rejects(ours.dial(theirs.enode.replace(theirs.id, other.id)), /rlpx\/|closed/)
        equal((await theirs.next('refused')).inbound, true)
        await ours.dial(theirs.enode)
        await echoed(ours, theirs, 'kecho', 9)
      }),
    },
    {
      name: `${both}: we stop, and they hear that we quit`,
      run: done(async () => {
        const ours = await startOurPeer()
        await using theirs = await start()
        await ours.dial(theirs.enode)
        await theirs.next('added')
        await ours.host.stop()
        equal((await theirs.next('dropped')).reason, disconnectCode('client-quitting'))
      }),
    },
    {
      name: `${both}: they stop, and we hear that they quit`,
      run: done(async () => {
        await using ours = await startOurPeer()
        await using theirs = await start()
        await theirs.dial(ours.enode)
        await ours.next('added')
        await theirs.close()
        equal((await ours.next('dropped')).reason, disconnectCode('client-quitting'))
        deepEqual(ours.host.connectionManager.peers(), [])
      }),
    },
  ]
}

/** go-ethereum's server pings every 15 s only; that its pings are answered is seen on the raw level. */
function pingedByEjs(): Case {
  return {
    name: 'kumiko ↔ ejs: their ping is answered',
    run: done(async () => {
      await using ours = await startOurPeer()
      await using theirs = await startEjsPeer()
      await ours.dial(theirs.enode)
      await theirs.next('added')
      await theirs.command({ cmd: 'ping' })
      equal((await theirs.next('pong')).peer, ours.id)
    }),
  }
}

/** @ethereumjs/devp2p takes whoever comes. */
function fullGo(): Case {
  return {
    name: 'kumiko → go: their peers are too many',
    run: done(async () => {
      await using ours = await startOurPeer()
      await using full = await startGoPeer({ maxPeers: 1 })
      await using other = await startOurPeer()
      if (full === undefined) throw new Error('the Go peer is gone')
      await full.dial(other.enode)
      await full.next('added')
      await rejects(ours.dial(full.enode), /too-many-peers/)
      await other.host.stop()
      await full.next('dropped')
      await ours.dial(full.enode)
      await echoed(ours, full, 'kecho', 9)
    }),
  }
}

/** For each reason: `dialer` connects to the other, and `from` tells `to`. */
async function partWithAll(dialer: AnyPeer, from: AnyPeer, to: AnyPeer, reasons: readonly DisconnectReason[]): Promise<void> {
  const dialed = dialer === from ? to : from
  for (const reason of reasons) {
    await dialer.dial(dialed.enode)
    await Promise.all([from.next('added'), to.next('added')])
    await part(from, to, disconnectCode(reason))
  }
}

function sent(unsent: readonly DisconnectReason[]): DisconnectReason[] {
  return disconnectReasons().filter((reason) => !unsent.includes(reason))
}

/** The dialer's end may have added us before it hears that we refuse: then it is dropped. */
async function rejectsOrDrops(peer: ForeignPeer, dial: () => Promise<string>, reason: DisconnectReason): Promise<void> {
  try {
    await dial()
  } catch (error) {
    if (!hasReason(reason)(error)) throw error
    return
  }
  equal(disconnectReason((await peer.next('dropped')).reason ?? -1), reason)
}

function hasReason(reason: DisconnectReason): (error: unknown) => boolean {
  return (error) => error instanceof Error && 'reason' in error && error.reason === disconnectCode(reason)
}

/** A case that is never skipped once it runs. */
function done(run: () => Promise<void>): () => Promise<undefined> {
  return async () => {
    await run()
    return undefined
  }
}
