import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHost } from '@kumiko/host'
import { type Host, nodeDatabaseOf, type Part, systemClock } from '@kumiko/interface'
import { type NodeDb, nodeDb, openNodeDb } from '@kumiko/node-db'
import { virtualClock } from '@kumiko/testkit'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Startable } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

const ADDRESS = multiaddr('/ip4/10.0.0.1/tcp/4001')
const HOUR_MS = 3_600_000

let folder: string
let path: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kumiko-node-'))
  path = join(folder, 'db')
})

afterEach(async () => {
  vi.useRealTimers()
  await rm(folder, { recursive: true })
})

describe('in a Host', () => {
  it('opens before any part starts, closes after all have stopped, and keeps peers and nodes', async () => {
    const seen: (boolean | undefined)[] = []
    const part: Part<Startable> = ({ datastore, identity }) => {
      const remembered = async () => (await nodeDatabaseOf({ datastore })?.get('discv5', identity.nodeId)) !== undefined
      return {
        start: async () => {
          seen.push(await remembered())
          nodeDatabaseOf({ datastore })?.note('discv5', identity.record.node, { lastPong: systemClock.now() })
        },
        stop: async () => void seen.push(await remembered()),
      }
    }
    const peerId = await randomPeerId()
    const first = await createHost({ datastore: nodeDb({ path }), services: { part }, start: true })
    await first.peerStore.merge(peerId, { multiaddrs: [ADDRESS] })
    await first.stop()
    const again = await createHost({ identity: first.identity, datastore: nodeDb({ path }), services: { part }, start: true })
    expect((await again.peerStore.get(peerId)).addresses.map((each) => `${each.multiaddr}`)).toEqual([`${ADDRESS}`])
    await again.stop()
    expect(seen).toEqual([false, true, true, true])
  })

  it('fails the start while another has it, and leaves nothing behind', async () => {
    const first = await createHost({ datastore: nodeDb({ path }), start: true })
    const second = await createHost({ datastore: nodeDb({ path }) })
    await expect(second.start()).rejects.toMatchObject({ code: 'host/start-failed', cause: { code: 'node-db/in-use' } })
    await first.stop()
    const third = await createHost({ datastore: nodeDb({ path }), start: true })
    await third.stop()
  })

  it('starts over a broken database', async () => {
    const first = await createHost({ datastore: nodeDb({ path }), start: true })
    await first.stop()
    await writeFile(join(path, 'CURRENT'), '')
    const second = await createHost({ datastore: nodeDb({ path }), start: true })
    await second.stop()
    expect((await readdir(folder)).map((name) => name.replace(/\d.*/, ''))).toEqual(['db', 'db.broken-'])
  })

  it('lets go of peers that were not heard of for six hours, though nobody asks for them', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() })
    const clock = virtualClock(Date.now())
    const host = await createHost({ datastore: nodeDb({ path }), clock, start: true })
    const [old, young] = [await randomPeerId(), await randomPeerId()]
    await host.peerStore.merge(old, { multiaddrs: [ADDRESS] })
    vi.setSystemTime(Date.now() + 7 * HOUR_MS)
    await host.peerStore.merge(young, { multiaddrs: [ADDRESS] })
    expect((await storedPeers(host)).length).toBe(3)
    await clock.advance(HOUR_MS)
    await expect.poll(async () => (await storedPeers(host)).length).toBe(2)
    expect(await host.peerStore.has(young)).toBe(true)
    await host.stop()
  })
})

describe('in a vanilla js-libp2p node', () => {
  it('is its datastore, and is closed by its stop and opened by its start', async () => {
    const datastore: NodeDb = await openNodeDb({ path })
    const node = await createLibp2p({ datastore, start: true })
    const peerId = await randomPeerId()
    await node.peerStore.merge(peerId, { multiaddrs: [ADDRESS] })
    await node.stop()
    await expect(openNodeDb({ path }).then((db) => db.close())).resolves.toBeUndefined()
    await node.start()
    expect((await node.peerStore.get(peerId)).addresses.length).toBe(1)
    await node.stop()
  })
})

/** What is on the disk: the peer store removes while it reads. */
async function storedPeers({ components }: Host): Promise<string[]> {
  const keys: string[] = []
  for await (const key of components.datastore.queryKeys({ prefix: '/peers/' })) keys.push(key.toString())
  return keys
}

async function randomPeerId() {
  return peerIdFromPrivateKey(await generateKeyPair('secp256k1'))
}
