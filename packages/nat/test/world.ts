import { createIdentity, generateSecretKey, registerRlpx } from '@kumiko/identity'
import type { Clock, Identity, UdpEndpoint } from '@kumiko/interface'
import { type Libp2pEvents, TypedEventEmitter } from '@libp2p/interface'
import type { AddressManager, TransportManager } from '@libp2p/interface-internal'
import { defaultLogger } from '@libp2p/logger'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { parseNat } from '../src/method.ts'
import { NatService } from '../src/nat.ts'
import type { Surroundings } from '../src/surroundings.ts'

registerRlpx()

/** Where nothing is asked. */
export const NOWHERE: Surroundings = {
  gateways: async () => [],
  interfaces: () => [],
  resolve: async (host) => [host],
  randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
  pmpPort: 9,
  ssdp: { ip: '127.0.0.1', port: 9 },
}

/** A node that says that it listens. */
export interface World {
  readonly service: NatService
  readonly identity: Identity
  /** `192.168.1.5:4001 > 198.51.100.7:4001`, as the address manager has them. */
  readonly publicMappings: Set<string>
  /** Addresses confirmed, with the time in ms. */
  readonly confirmed: string[]
  /** What our record tells: `ip tcp udp`. */
  record(): string
  listen(...addresses: string[]): void
}

export async function world(
  how: string,
  surroundings: Partial<Surroundings>,
  options: {
    readonly clock?: Clock
    readonly listen?: readonly string[]
    readonly announce?: readonly string[]
    readonly udp?: UdpEndpoint
    readonly isVanilla?: boolean
  } = {},
): Promise<World> {
  const identity = await createIdentity({ secretKey: generateSecretKey() })
  const events = new TypedEventEmitter<Libp2pEvents>()
  const publicMappings = new Set<string>()
  const confirmed: string[] = []
  let bound: Multiaddr[] = []
  const key = (ip: string, port: number, externalIp: string, externalPort?: number, protocol?: string) =>
    `${protocol} ${ip}:${port} > ${externalIp}:${externalPort}`
  const addressManager: Partial<AddressManager> = {
    addPublicAddressMapping: (...mapping) => void publicMappings.add(key(...mapping)),
    removePublicAddressMapping: (...mapping) => void publicMappings.delete(key(...mapping)),
    confirmObservedAddr: (address, confirmation) => void confirmed.push(`${address} ${confirmation?.type} ${confirmation?.ttl}`),
    getAnnounceAddrs: () => (options.announce ?? []).map((text) => multiaddr(text)),
  }
  const transportManager: Partial<TransportManager> = { getAddrs: () => bound }
  const own = options.isVanilla ? {} : { identity, ...(options.clock === undefined ? {} : { clock: options.clock }) }
  const { udp } = options
  const service = new NatService(
    // Only what it may touch.
    {
      addressManager: addressManager as AddressManager,
      transportManager: transportManager as TransportManager,
      events,
      logger: defaultLogger(),
      ...own,
    },
    parseNat(how),
    udp === undefined ? undefined : { local: (family) => (family === 4 ? udp : undefined) },
    { ...NOWHERE, ...surroundings },
  )
  const listen = (...addresses: string[]): void => {
    bound = addresses.map((text) => multiaddr(text))
    const rlpx = bound.find((address) => `${address}`.endsWith('/rlpx'))
    // As the Host keeps it.
    identity.record.setPorts(4, { tcp: rlpx === undefined ? undefined : Number(rlpx.getComponents()[1]?.value) })
    events.safeDispatchEvent('transport:listening', { detail: undefined })
  }
  listen(...(options.listen ?? []))
  const record = (): string => {
    const endpoint = identity.record.node.endpoints[0]
    return `${endpoint?.host} ${endpoint?.tcp} ${endpoint?.udp}`
  }
  return { service, identity, publicMappings, confirmed, record, listen }
}
