import type { Socket } from 'node:dgram'
import { type Discv5, Discv5Discovery } from '@chainsafe/discv5'
import { SignableENR } from '@chainsafe/enr'
import { curve, formatEnode, generateSecretKey } from '@kumiko/identity'
import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import type { RunningTarget, Target } from './bench.ts'

const HOST = '127.0.0.1'

/** A node of `@chainsafe/discv5`. */
export const chainsafeTarget: Target = { start }

async function start(bootnodes: readonly string[]): Promise<RunningTarget> {
  const key = generateSecretKey()
  const discovery = new Discv5Discovery({
    enr: SignableENR.createV4(key),
    privateKey: privateKeyFromRaw(key) as never, // of another version of @libp2p/interface
    bindAddrs: { ip4: `/ip4/${HOST}/udp/0` },
    bootEnrs: [...bootnodes],
    searchInterval: Number.POSITIVE_INFINITY, // it would look up random nodes without a rest
    enabled: true,
  } as ConstructorParameters<typeof Discv5Discovery>[0])
  const { discv5 } = discovery
  await discovery.start()
  const port = portOf(discv5)
  Object.assign(discv5.enr, { ip: HOST, udp: port })
  const search = bootnodes.length === 0 ? undefined : setInterval(() => void discv5.findRandomNode().catch(() => {}), 500)
  return {
    enode: formatEnode({ publicKey: curve.compress(curve.publicKey(key)), host: HOST, udp: port, tcp: port }),
    record: discv5.enr.encodeTxt(),
    async [Symbol.asyncDispose]() {
      clearInterval(search)
      await discovery.stop()
    },
  }
}

/** The port is known only when it is bound. */
function portOf({ sessionService }: Discv5): number {
  const { transport } = sessionService as unknown as { transport: { ip4: { socket: Socket } } }
  return transport.ip4.socket.address().port
}
