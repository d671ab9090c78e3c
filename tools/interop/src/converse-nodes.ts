import { deepEqual, equal, ok } from 'node:assert/strict'
import { distance, nodeIdOf, parseNode } from '@kumiko/identity'
import type { DiscoveryProtocol } from '@kumiko/interface'
import type { AnyNode } from './foreign-node.ts'

/** How soon what another node does by itself is looked for again. */
const POLL_MS = 200

/** Pings, and asks for the record where both have one: what comes is what `to` says of itself, and `to` sees where `from` is. */
export async function reach(protocol: DiscoveryProtocol, from: AnyNode, to: AnyNode): Promise<void> {
  const pong = await from.ping(protocol, await contactOf(protocol, to))
  const { record, seq } = await to.self()
  if (pong.seq !== undefined && seq !== undefined) equal(pong.seq, seq)
  if (pong.port !== undefined)
    ok((await addressesOf(from)).includes(`${pong.ip}:${pong.port}`), `${pong.ip}:${pong.port} is not where we are`)
  if (from.record !== undefined && record !== undefined) equal(await from.requestRecord(protocol, await contactOf(protocol, to)), record)
}

/** `about` makes itself known to `told`; then a lookup of `asker`, whose one bootnode is `told`, finds it. */
export async function find(protocol: DiscoveryProtocol, asker: AnyNode, told: AnyNode, about: AnyNode): Promise<void> {
  await about.ping(protocol, await contactOf(protocol, told))
  await eventually(`${protocol}: it is in the table`, async () => (await told.table(protocol)).includes(about.id))
  await eventually(`${protocol}: a lookup finds it`, async () => (await asker.lookup(protocol, about.id)).includes(about.id))
}

/** Changes the record of `changed`: `other` hears of it by a ping, and gets the new one. */
export async function renew(protocol: DiscoveryProtocol, other: AnyNode, changed: AnyNode): Promise<void> {
  const before = await changed.self()
  const after = await changed.setEntry(`renewed-${protocol}`)
  ok((after.seq ?? 0n) > (before.seq ?? 0n))
  equal((await other.ping(protocol, before.record ?? '')).seq, after.seq)
  equal(await other.requestRecord(protocol, before.record ?? ''), after.record)
}

/** FINDNODE by distances: 0 is the node itself, and each of `known` is told at its distance only. */
export async function askByDistance(asker: AnyNode, told: AnyNode, known: readonly AnyNode[]): Promise<void> {
  const contact = await contactOf('discv5', told)
  deepEqual(await asker.findNodes(contact, [0]), [told.id])
  for (const node of known) {
    const at = distanceBetween(told, node)
    ok((await asker.findNodes(contact, [at])).includes(node.id), `not told at distance ${at}`)
    const elsewhere = [at - 1, at - 2].filter((other) => other > 0)
    ok(!(await asker.findNodes(contact, elsewhere)).includes(node.id), `told at another distance than ${at}`)
  }
}

/** TALKREQ of a protocol that `to` serves. */
export async function talk(from: AnyNode, to: AnyNode): Promise<void> {
  await to.serveTalk('kumiko')
  const request = '00ff'.repeat(300)
  equal(await from.talk(await contactOf('discv5', to), 'kumiko', request), `${Buffer.from('kumiko').toString('hex')}${request}`)
}

/** How nodes are called in a protocol: by enode URL in discv4, by record in discv5. */
export async function contactOf(protocol: DiscoveryProtocol, node: AnyNode): Promise<string> {
  const { enode, record } = await node.self()
  if (protocol === 'discv4') return enode
  if (record === undefined) throw new Error(`${enode} has no record`)
  return record
}

/** Waits until something holds that takes its time. @param timeoutMs - Default 30,000. @throws Error naming it. */
export async function eventually(what: string, holds: () => Promise<boolean>, timeoutMs = 30_000): Promise<void> {
  const end = performance.now() + timeoutMs
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`not in ${timeoutMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

function distanceBetween(a: AnyNode, b: AnyNode): number {
  const [from, to] = [a, b].map(({ id }) => nodeIdOf(new Uint8Array(Buffer.from(id, 'hex'))))
  return distance(from ?? '', to ?? '')
}

/** Where its record says it is, or without one its enode URL. */
async function addressesOf(node: AnyNode): Promise<string[]> {
  const { enode, record } = await node.self()
  return parseNode(record ?? enode).endpoints.map(({ host, udp }) => `${host}:${udp}`)
}
