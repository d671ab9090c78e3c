// Run as a process of its own by rlpx-peers.test.ts: 200 peers of one Host lose their network, half of them by a reset, half of them in silence.
// Prints what is left once all have stopped, then ends by itself.
import { connectionManager } from '@kumiko/connection-manager'
import { type Capability, systemClock } from '@kumiko/interface'
import { virtualNetwork } from '@kumiko/testkit'
import { startVirtualHost } from './virtual-hosts.ts'

const PEERS = 200
const network = virtualNetwork({ clock: systemClock, latencyMs: 1 })
let heard = 0
const capability: Capability = {
  name: 'tick',
  version: 1,
  length: 1,
  run: async (channel) => {
    channel.send(0, Uint8Array.of(1))
    for await (const { payload } of channel) heard += payload.length
  },
}
const unstarted = resources()
const start = (ip: string, maxPeers: number) =>
  startVirtualHost(network, ip, capability, { connectionManager: connectionManager({ maxPeers, maxPendingPeers: PEERS }) })
const hub = await start('10.0.0.1', 2 * PEERS)
const ips = Array.from({ length: PEERS }, (_, index) => `10.0.1.${index + 1}`)
const peers = await Promise.all(ips.map((ip) => start(ip, 3)))
await Promise.all(peers.map((peer, index) => (index % 2 === 0 ? peer.dial(hub.identity.enode) : hub.dial(peer.identity.enode))))
while (heard < 2 * PEERS) await turn()
const connected = [hub.connectionManager.peers().length, peers.filter((peer) => peer.getConnections().length === 1).length]
const timers = resources().length > 0

const silent = ips.filter((_, index) => index % 4 < 2)
network.partition(['10.0.0.1'], silent)
for (const ip of ips) if (!silent.includes(ip)) network.cut(ip)
await Promise.all([hub, ...peers].map((host) => host.stop()))
process.stdout.write(JSON.stringify({ unstarted, connected, timers, left: resources(), peers: hub.connectionManager.peers().length }))

/** What keeps the process alive, the standard streams and module loading aside. */
function resources(): string[] {
  return process.getActiveResourcesInfo().filter((type) => !/^(PipeWrap|TTYWrap|FSReqPromise|Immediate)$/.test(type))
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1))
}
