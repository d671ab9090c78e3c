import type { Connection, PeerStore } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import { peer } from '../test/nodes.ts'
import { DialRecord, lastGoodOf } from './dial-record.ts'

const [ONE, TWO] = ['/ip4/1.1.1.1/tcp/1', '/ip4/1.1.1.1/tcp/2'].map((address) => multiaddr(address))

/** A connection to a peer. The record reads no more of it than this. */
function connectionTo(number: number): Connection {
  return { remotePeer: peer(number), remoteAddr: ONE } as Connection
}

test('the same is written once in ten minutes, what has changed at once', async () => {
  const written: string[] = []
  const merge: PeerStore['merge'] = async (_, { metadata = {} }) => {
    const [bytes, at] = ['kumiko:last-dial-address', 'last-dial-success'].map((name) => new Map(Object.entries(metadata)).get(name))
    written.push(`${new TextDecoder().decode(at)} ${multiaddr(bytes ?? new Uint8Array())}`)
    return await new Promise(() => {})
  }
  const record = new DialRecord({ merge })
  for (const [address, now] of [
    [ONE, 1.5],
    [ONE, 600_001],
    [ONE, 600_002],
    [TWO, 600_003],
    [ONE, 600_004],
  ] as const) {
    void record.succeeded(connectionTo(1), address ?? multiaddr('/'), now)
  }
  expect(written).toEqual([`1 ${ONE}`, `600002 ${ONE}`, `600003 ${TWO}`, `600004 ${ONE}`])
})

test('what cannot be read is not known', () => {
  const id = peer(1)
  const at = new TextEncoder().encode('7')
  const bytes = ONE?.bytes ?? new Uint8Array()
  const read = (entries: Readonly<Record<string, Uint8Array>>) => lastGoodOf({ id, metadata: new Map(Object.entries(entries)) })
  expect(read({ 'last-dial-success': at, 'kumiko:last-dial-address': bytes })).toMatchObject({ at: 7 })
  expect(read({})).toBeUndefined()
  expect(read({ 'last-dial-success': at })).toBeUndefined()
  expect(read({ 'last-dial-success': at, 'kumiko:last-dial-address': new Uint8Array([255, 1]) })).toBeUndefined()
  expect(read({ 'last-dial-success': new TextEncoder().encode('soon'), 'kumiko:last-dial-address': bytes })).toBeUndefined()
})
