// Run as a process of its own by host.test.ts: prints what is left after three connected Hosts have stopped, then ends by itself.
import { createHost } from '@kumiko/host'
import type { Capability } from '@kumiko/interface'
import { rlpx } from '@kumiko/rlpx'
import { identify } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { addressOf, libp2pParts } from './nodes.ts'

const greet: Capability = {
  name: 'greet',
  version: 1,
  length: 1,
  run: async (channel) => {
    channel.send(0, new Uint8Array(1))
    for await (const _message of channel);
  },
}
const { transports, ...libp2p } = libp2pParts()
const create = () =>
  createHost({
    ...libp2p,
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/tcp/0/rlpx'] },
    transports: [...transports, rlpx({ capabilities: [greet] })],
    services: { identify: identify(), ping: ping() },
  })
const [a, b, c] = [await create(), await create(), await create()]
const unstarted = resources()
await Promise.all([a.start(), b.start(), c.start()])
await Promise.all([a.dial(addressOf(b)), b.dial(addressOf(c)), c.dial(addressOf(a))])
await a.services.ping.ping(b.peerId)
await c.dial(b.identity.enode, { protocol: '/greet/1' })
const peers = c
  .getConnections()
  .map(({ encryption }) => encryption)
  .sort()
const running = resources().filter((type) => type === 'TCPServerWrap').length
await Promise.all([a.stop(), b.stop(), c.stop()])
// What is closed is let go within some turns of the event loop, far fewer than any timer of ours takes.
for (let turn = 0; turn < 1000 && resources().length > 0; turn++) await new Promise((resolve) => setImmediate(resolve))
process.stdout.write(JSON.stringify({ unstarted, running, peers, left: resources() }))

/** What keeps the process alive, the standard streams and module loading aside. */
function resources(): string[] {
  return process.getActiveResourcesInfo().filter((type) => !/^(PipeWrap|TTYWrap|FSReqPromise)$/.test(type))
}
