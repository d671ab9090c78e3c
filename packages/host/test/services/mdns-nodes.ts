// Run by mdns.test.ts as a process of its own, in a network of its own: prints whom each of three nodes has found, then ends by itself.
import { createHost } from '@kumiko/host'
import { mdns } from '@libp2p/mdns'
import { createLibp2p } from 'libp2p'
import { libp2pParts } from '../nodes.ts'

const options = () => ({ ...libp2pParts(), peerDiscovery: [mdns({ interval: 200 })] })
const nodes = [
  await createHost({ ...options(), start: true }),
  await createHost({ ...options(), start: true }),
  await createLibp2p(options()),
]
const found = nodes.map((node) => {
  const peers = new Set<string>()
  node.addEventListener('peer:discovery', ({ detail }) => void peers.add(detail.id.toString()))
  return peers
})
for (let waitedMs = 0; waitedMs < 15_000 && found.some(({ size }) => size < 2); waitedMs += 50)
  await new Promise((resolve) => setTimeout(resolve, 50))
const [one, other] = nodes
const connection = one === undefined || other === undefined ? undefined : await one.dial(other.peerId)
const result = { found: found.map(({ size }) => size), connected: connection?.remotePeer.equals(other?.peerId) === true }
await Promise.all(nodes.map((node) => node.stop()))
for (let turn = 0; turn < 1000 && sockets().length > 0; turn++) await new Promise((resolve) => setImmediate(resolve))
process.stdout.write(JSON.stringify({ ...result, left: sockets() }))

function sockets(): string[] {
  return process.getActiveResourcesInfo().filter((type) => /TCP|UDP/.test(type))
}
