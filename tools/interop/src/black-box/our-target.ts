import { discv4 } from '@kumiko/discv4'
import { discv5 } from '@kumiko/discv5'
import { createHost } from '@kumiko/host'
import { udpSocket } from '@kumiko/udp'
import type { RunningTarget, Target } from './bench.ts'

/** A Host of ours that does nothing but discovery, by both protocols on one socket. */
export const ourTarget: Target = { start }

async function start(bootnodes: readonly string[]): Promise<RunningTarget> {
  const udp = udpSocket({ port: 0, hosts: ['127.0.0.1'] })
  const [records, enodes] = [bootnodes.filter((node) => node.startsWith('enr:')), bootnodes.filter((node) => node.startsWith('enode:'))]
  const discovery = [discv4({ udp, bootnodes: enodes }), discv5({ udp, bootnodes: records })]
  const host = await createHost({ discovery, start: true })
  return {
    enode: host.identity.enode,
    record: host.identity.enr,
    [Symbol.asyncDispose]: async () => await host.stop(),
  }
}
