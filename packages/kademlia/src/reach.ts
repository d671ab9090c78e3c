import { ipBytes, type NetList } from '@kumiko/identity'
import type { IpFamily, NodeEndpoint, NodeRecord, UdpEndpoint } from '@kumiko/interface'
import { placeOf } from './place.ts'

/** Where a protocol's packets may and can go: to allowed networks, in the families that its socket serves. */
export class Reach {
  readonly #networks: NetList | undefined
  readonly #serves: (family: IpFamily) => boolean

  /** @param networks - Undefined: all are allowed. @param serves - Asked anew each time. */
  constructor(networks: NetList | undefined, serves: (family: IpFamily) => boolean) {
    this.#networks = networks
    this.#serves = serves
  }

  /** Tells whether we deal with an address at all. */
  readonly allows = (ip: string): boolean => this.#networks === undefined || this.#networks.contains(ip)

  /** The endpoint of a node that packets go to. */
  readonly endpointOf = (node: NodeRecord): NodeEndpoint | undefined =>
    node.endpoints.find((endpoint) => {
      if (placeOf(endpoint) === undefined || !this.allows(endpoint.host)) return false
      return this.#serves(ipBytes(endpoint.host)?.length === 4 ? 4 : 6)
    })

  /** The same, as packets are addressed. */
  addressOf(node: NodeRecord): UdpEndpoint | undefined {
    const endpoint = this.endpointOf(node)
    return endpoint?.udp === undefined ? undefined : { ip: endpoint.host, port: endpoint.udp }
  }
}
