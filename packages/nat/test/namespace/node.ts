/** The node of run.sh: a Host that listens on all addresses, and prints what it tells of itself once its ports are mapped. */
import { setTimeout } from 'node:timers/promises'
import { createHost } from '@kumiko/host'
import { rlpx } from '@kumiko/rlpx'
import { udpSocket } from '@kumiko/udp'
import { tcp } from '@libp2p/tcp'
import { nat } from '../../src/nat.ts'

const udp = udpSocket({ port: 30_303 })
const host = await createHost({
  addresses: { listen: ['/ip4/0.0.0.0/tcp/30303/rlpx', '/ip4/0.0.0.0/tcp/4001'] },
  transports: [rlpx(), tcp()],
  services: { nat: nat({ how: process.argv[2] ?? 'any', udp }) },
})
const share = await udp.open(() => true)
host.identity.record.setPorts(4, { udp: share.local(4)?.port })
await host.start()
for (let turn = 0; turn < 200 && host.services.nat.status().mappings.length < 3; turn++) await setTimeout(50)
const { gateway, mappings, fault } = host.services.nat.status()
const [endpoint] = host.identity.record.node.endpoints
const addresses = host.components.addressManager.getAddresses().map((address) => `${address}`.replace(/\/p2p\/.*/, ''))
await share.close()
await host.stop()
// Nothing is left that would keep the process: it ends by itself.
console.log(JSON.stringify({ gateway, mappings, fault, endpoint, addresses }))
