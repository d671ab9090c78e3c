import { discv4 } from '@kumiko/discv4'
import { discv5 } from '@kumiko/discv5'
import { createHost } from '@kumiko/host'
import type { Host } from '@kumiko/interface'
import { rlpx } from '@kumiko/rlpx'
import { udpSocket } from '@kumiko/udp'
import { generateKeyPair } from '@libp2p/crypto/keys'
import discoverySuite from '@libp2p/interface-compliance-tests/peer-discovery'
import { createLibp2p } from 'libp2p'
import { afterAll, describe } from 'vitest'
import { offerMocha } from './mocha.ts'

offerMocha()

const DISCOVERIES = { discv4, discv5 }
type Components = Parameters<ReturnType<typeof discv4>>[0] & Parameters<ReturnType<typeof discv5>>[0]

/** The components of nodes that are not started: the suite starts and stops the discovery itself. */
const NODES: Readonly<Record<string, () => Promise<Components>>> = {
  Host: async () => (await createHost()).components,
  'vanilla libp2p': async () => {
    const node = await createLibp2p({ privateKey: await generateKeyPair('secp256k1'), start: false })
    // They are there; only the type does not tell.
    return (node as unknown as { components: Components }).components
  },
}

describe.each(['discv4', 'discv5'] as const)('%s', (name) => {
  let bootnode: Host | undefined

  afterAll(async () => await bootnode?.stop())

  describe.each(Object.keys(NODES))('in a %s', (kind) => {
    discoverySuite({
      setup: async () => {
        bootnode ??= await startBootnode(name)
        const components = await NODES[kind]?.()
        if (components === undefined) throw new Error(`there is no ${kind}`)
        return DISCOVERIES[name]({ udp: loopback(), bootnodes: [bootnode.identity.enr] })(components)
      },
      teardown: async () => {},
    })
  })
})

function loopback() {
  return udpSocket({ port: 0, hosts: ['127.0.0.1'] })
}

/** One that takes connections: others are no peers to libp2p. */
async function startBootnode(name: 'discv4' | 'discv5'): Promise<Host> {
  return await createHost({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0/rlpx'] },
    transports: [rlpx()],
    discovery: [DISCOVERIES[name]({ udp: loopback() })],
    start: true,
  })
}
