import { createIdentity, curve, keccak256, nodeFromParts, toHex } from '@kumiko/identity'
import type { NodeRecord } from '@kumiko/interface'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { expect, test } from 'vitest'
import { PeerFinder } from './peer-finder.ts'

class Finder extends PeerFinder {
  readonly asked: string[] = []
  readonly known: readonly NodeRecord[]

  constructor(known: readonly NodeRecord[]) {
    super()
    this.known = known
  }

  override tell(node: NodeRecord): void {
    super.tell(node)
  }

  override async locate(publicKey: Uint8Array): Promise<NodeRecord | undefined> {
    return (await this.closestTo(publicKey)).find((node) => toHex(keccak256(publicKey)) === node.nodeId)
  }

  override async closestTo(publicKey: Uint8Array): Promise<readonly NodeRecord[]> {
    this.asked.push(toHex(publicKey))
    return this.known
  }
}

async function someNode(port: number | undefined): Promise<NodeRecord> {
  const { publicKey } = await createIdentity()
  return nodeFromParts({ publicKey, endpoints: [{ host: '10.0.0.1', udp: 30303, ...(port === undefined ? {} : { tcp: port }) }] })
}

test('a node is told of once a record, and only if it takes connections', async () => {
  const [node, silent] = await Promise.all([someNode(30303), someNode(undefined)])
  const finder = new Finder([])
  const told: string[] = []
  finder.addEventListener('peer', ({ detail }) => told.push(detail.id.toString()))
  for (const each of [node, silent, node]) finder.tell(each)
  expect(told).toEqual([node.peerId.toString()])
})

test('finds a peer by the key in its PeerId', async () => {
  const node = await someNode(30303)
  const finder = new Finder([await someNode(30304), node])
  expect(await finder.findPeer(node.peerId)).toEqual({ id: node.peerId, multiaddrs: node.addresses })
  expect(finder.asked).toEqual([toHex(curve.expand(node.publicKey) ?? new Uint8Array())])
})

test('does not find who is unknown, has no address, or no key of our kind', async () => {
  const silent = await someNode(undefined)
  const finder = new Finder([silent])
  const other = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
  for (const peerId of [silent.peerId, (await someNode(1)).peerId, other]) {
    await expect(finder.findPeer(peerId)).rejects.toMatchObject({ name: 'NotFoundError' })
  }
})

test('gives the peers nearest to a key of any kind', async () => {
  const node = await someNode(30303)
  const finder = new Finder([node])
  for (const key of [node.peerId.toMultihash().bytes, new Uint8Array([1, 2, 3])]) {
    const peers = []
    for await (const peer of finder.getClosestPeers(key)) peers.push(peer)
    expect(peers).toEqual([{ id: node.peerId, multiaddrs: node.addresses }])
  }
  expect(finder.asked[0]).toBe(toHex(curve.expand(node.publicKey) ?? new Uint8Array()))
  expect(finder.asked[1]).toMatch(/^[0-9a-f]{128}$/)
})
