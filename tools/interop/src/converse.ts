import { deepEqual, equal } from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { disconnectCode } from '@kumiko/interface'
import { ECHO, ECHOED, type ForeignPeerOptions, SINK } from './foreign-peer.ts'
import type { AnyPeer } from './our-peer.ts'
import { payload } from './payload.ts'

const MIB = 2 ** 20

/** What any peer takes in no time. */
export const SIZES: readonly number[] = [0, 1, 1024, MIB]

/** Close to the largest that there is. */
export const LARGE: number = 15 * MIB

/** Given in an order that is not that of the names, which sets the offsets. */
export const withTwoCapabilities: ForeignPeerOptions = {
  capabilities: [
    { name: 'zz', version: 2, length: 3 },
    { name: 'kecho', version: 1, length: 4 },
  ],
}

/** `a`, whose name is `first`, dials `b`; they echo all sizes both ways, count some, and part with a reason. */
export async function converse(a: AnyPeer, b: AnyPeer, sizes: readonly number[] = [...SIZES, LARGE]): Promise<void> {
  equal(await a.dial(b.enode), b.id)
  await met(b, a, true)
  equal((await met(a, b, false)).remote.split(':')[0], '127.0.0.1')
  for (const size of sizes) {
    await echoed(a, b, 'kecho', size)
    await echoed(b, a, 'zz', size)
  }
  await a.send({ cap: 'zz', code: SINK, size: 100, count: 50 })
  await echoed(a, b, 'zz', 3) // what came before it has been counted by then
  deepEqual(await b.stats(), { zz: { bytes: 5000, count: 50 } })
  await part(a, b, disconnectCode('too-many-peers'))
}

/** `a` tells `b` why it goes. */
export async function part(a: AnyPeer, b: AnyPeer, reason: number): Promise<void> {
  await a.disconnect(reason)
  const { reason: heard, requested } = await b.next('dropped')
  deepEqual({ heard, requested }, { heard: reason, requested: true })
  await a.next('dropped')
}

/** `from` sends, `to` sends it back, and each sees the right bytes. */
export async function echoed(from: AnyPeer, to: AnyPeer, cap: string, size: number): Promise<void> {
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

async function met(host: AnyPeer, guest: AnyPeer, inbound: boolean): Promise<{ readonly remote: string }> {
  const added = await host.next('added')
  deepEqual([added.peer, added.inbound, [...added.caps].sort().join()], [guest.id, inbound, 'kecho/1,zz/2'])
  if (inbound) equal(added.client, 'first')
  return added
}
