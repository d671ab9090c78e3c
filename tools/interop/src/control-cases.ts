import { equal } from 'node:assert/strict'
import { disconnectCode } from '@kumiko/interface'
import type { Case } from './case.ts'
import { converse, SIZES, withTwoCapabilities } from './converse.ts'
import { startEjsPeer } from './ejs-peer.ts'
import { NO_GO, withoutGo } from './go-build.ts'
import { type GoPeer, startGoPeer } from './go-peer.ts'

const CLIENT_QUITTING = disconnectCode('client-quitting')

/** The drivers and peers by themselves: where these fail, no other case means anything. */
export const controlCases: readonly Case[] = [
  {
    name: 'go ↔ go (control)',
    prepare: withoutGo,
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
    prepare: withoutGo,
    run: async () => {
      await using a = await startGoPeer({ ...withTwoCapabilities, client: 'first' })
      await using b = await startEjsPeer(withTwoCapabilities)
      if (a === undefined) return NO_GO
      await converse(a, b)
      return undefined
    },
  },
]

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
  await other.disconnect(disconnectCode('too-many-peers'))
  const early = await accepted.next('rlpx-disconnect')
  equal(`${early.reason} ${early.form} ${early.compressed}`, '4 list false')
}
