import { createHost, type HostOptions } from '@kumiko/host'
import { createIdentity, generateSecretKey } from '@kumiko/identity'
import type { Capability, Host } from '@kumiko/interface'
import { type RlpxOptions, rlpx, type StreamNetwork } from '@kumiko/rlpx'
import { type Seeded, seeded, type VirtualNetwork } from '@kumiko/testkit'

/** The port at which every Host of a virtual network listens. */
export const PORT = 30303

/** One host's view of a virtual network. */
export function networkAt(ip: string, network: VirtualNetwork): StreamNetwork {
  return {
    dial: (host, port, signal) => network.connect(ip, { host, port }, signal === undefined ? {} : { signal }),
    listen: async (host, port, onStream) => {
      const held = network.listen({ host, port }, onStream)
      return { ...held.local, close: async () => held.close() }
    },
  }
}

/** A started Host at an IP address of a virtual network, with one capability. The caller stops it. */
export async function startVirtualHost(
  network: VirtualNetwork,
  ip: string,
  capability: Capability,
  { rlpx: changes, ...options }: Omit<HostOptions, 'transports'> & { readonly rlpx?: RlpxOptions } = {},
): Promise<Host> {
  const { bytes }: Seeded = seeded(ipNumber(ip))
  return await createHost({
    identity: await createIdentity({ secretKey: generateSecretKey(bytes) }),
    addresses: { listen: [`/ip4/${ip}/tcp/${PORT}/rlpx`] },
    transports: [rlpx({ capabilities: [capability], network: networkAt(ip, network), randomBytes: bytes, ...changes })],
    start: true,
    ...options,
  })
}

function ipNumber(ip: string): number {
  return ip.split('.').reduce((sum, part) => sum * 256 + Number(part), 0) >>> 0
}
