// Run as a process of its own by host.test.ts: two Hosts of all our parts start, talk and stop, three times. Prints what they said and what is left
// once they have stopped, then ends by itself.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { dialer } from '@kumiko/dialer'
import { discv4 } from '@kumiko/discv4'
import { discv5 } from '@kumiko/discv5'
import { createHost, type HostOptions } from '@kumiko/host'
import type { Capability, Host } from '@kumiko/interface'
import { nat } from '@kumiko/nat'
import { nodeDb } from '@kumiko/node-db'
import { rlpx } from '@kumiko/rlpx'
import { udpSocket } from '@kumiko/udp'
import { identify } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { libp2pParts } from './nodes.ts'

const ROUNDS = 3
let heard = Promise.withResolvers<string>()
const greet: Capability = {
  name: 'greet',
  version: 1,
  length: 1,
  run: async (channel, { direction }) => {
    channel.send(0, new TextEncoder().encode('hello'))
    for await (const { payload } of channel) if (direction === 'outbound') heard.resolve(new TextDecoder().decode(payload))
  },
}
const folder = await mkdtemp(join(tmpdir(), 'kumiko-restart-'))
const { transports, ...libp2p } = libp2pParts()

async function make(name: string, bootnodes: readonly string[]) {
  const udp = udpSocket({ port: 0, hosts: ['127.0.0.1'] })
  const [v4, v5] = [discv4({ udp, bootnodes }), discv5({ udp, bootnodes })]
  const options = {
    ...libp2p,
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/tcp/0/rlpx'] },
    transports: [...transports, rlpx({ capabilities: [greet] })],
    // Who finds whom first is not to decide whose dial it is.
    dialer: dialer({ noDial: true }),
    datastore: nodeDb({ path: join(folder, name) }),
    services: { identify: identify(), ping: ping(), v4, v5, nat: nat({ how: 'extip:127.0.0.1' }) },
  } satisfies HostOptions
  return await createHost(options)
}

const b = await make('b', [])
await b.start()
const a = await make('a', [b.identity.enr])
const said: unknown[] = []
for (let round = 0; round < ROUNDS; round++) {
  heard = Promise.withResolvers()
  await Promise.all([a.start(), b.start()])
  await a.dial(b.identity.enode, { protocol: '/greet/1' })
  await a.dial(libp2pAddressOf(b))
  await a.services.ping.ping(b.peerId)
  const pongs = [await a.services.v4.ping(b.identity.record.node), await a.services.v5.ping(b.identity.record.node)]
  said.push([await heard.promise, pongs.filter((pong) => pong !== undefined).length, a.getConnections(b.peerId).length])
  await Promise.all([a.stop(), b.stop()])
}
await rm(folder, { recursive: true })
// What is closed is let go within some turns of the event loop, far fewer than any timer of ours takes.
for (let turn = 0; turn < 1000 && resources().length > 0; turn++) await new Promise((resolve) => setImmediate(resolve))
process.stdout.write(JSON.stringify({ said, left: resources() }))

function libp2pAddressOf(host: Host): string {
  return String(host.components.addressManager.getAddresses()[0])
}

/** What keeps the process alive, the standard streams and module loading aside. */
function resources(): string[] {
  return process.getActiveResourcesInfo().filter((type) => !/^(PipeWrap|TTYWrap|FSReqPromise)$/.test(type))
}
