import {
  type Config,
  type ConfigGroup,
  type ConfigResult,
  type DiscoveredEndpoints,
  FabricMspConfig,
  MspConfig,
  OrdererAddresses,
} from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'

/** `MSPConfig.type` of an X.509 MSP: clients are told of no others. */
const FABRIC = 0

/**
 * What clients are told of a channel's configuration: MSPs, and orderers' endpoints, which are those of the organisations where any of them names
 * one, or else the whole channel's for each.
 * @returns `fabric-discovery/bad-config`.
 * @see Fabric `discovery/support/config/support.go`
 */
export function configResult({ channelGroup }: Config): ConfigResult | Fault {
  const orderer = channelGroup?.groups.get('Orderer')
  const application = channelGroup?.groups.get('Application')
  if (channelGroup === undefined || orderer === undefined || application === undefined) return badConfig('a group is missing')
  const ordering = mspsOf(orderer)
  const applying = mspsOf(application)
  const general = addressesOf(channelGroup, 'OrdererAddresses')
  if (isFault(ordering)) return ordering
  if (isFault(applying)) return applying
  if (isFault(general)) return general
  const orderers = endpointsOf(ordering, general)
  if (isFault(orderers)) return orderers
  const msps = new Map<string, FabricMspConfig>()
  for (const { msp } of [...ordering, ...applying]) if (!msps.has(msp.name)) msps.set(msp.name, msp)
  return { msps, orderers }
}

interface Organization {
  readonly group: ConfigGroup
  readonly msp: FabricMspConfig
}

function mspsOf({ groups }: ConfigGroup): readonly Organization[] | Fault {
  const organizations: Organization[] = []
  for (const group of groups.values()) {
    const config = MspConfig.decode(group.values.get('MSP')?.value ?? new Uint8Array())
    if (isFault(config)) return badConfig(`failed parsing MSPConfig: ${config.detail ?? ''}`)
    if (config.type !== FABRIC) continue
    const msp = FabricMspConfig.decode(config.config)
    if (isFault(msp)) return badConfig(`failed marshaling FabricMSPConfig: ${msp.detail ?? ''}`)
    organizations.push({ group, msp })
  }
  return organizations
}

function addressesOf({ values }: ConfigGroup, name: string): readonly string[] | Fault {
  const decoded = OrdererAddresses.decode(values.get(name)?.value ?? new Uint8Array())
  return isFault(decoded) ? badConfig(`failed unmarshalling orderer addresses: ${decoded.detail ?? ''}`) : decoded.addresses
}

function endpointsOf(organizations: readonly Organization[], general: readonly string[]): ConfigResult['orderers'] | Fault {
  const own = new Map<string, readonly string[]>()
  for (const { group, msp } of organizations) {
    const addresses = addressesOf(group, 'Endpoints')
    if (isFault(addresses)) return addresses
    own.set(msp.name, addresses)
  }
  const isOwn = [...own.values()].some((addresses) => addresses.length > 0)
  return new Map([...own].map(([mspId, addresses]) => [mspId, endpoints(isOwn ? addresses : general)]))
}

/** Addresses that are none are left out. */
function endpoints(addresses: readonly string[]): DiscoveredEndpoints {
  return {
    endpoint: addresses.flatMap((address) => {
      const [, ipv6, plain, port] = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(address) ?? []
      return port === undefined ? [] : [{ host: ipv6 ?? plain ?? '', port: Number(port) }]
    }),
  }
}

function badConfig(detail: string): Fault {
  return { fault: 'fabric-discovery/bad-config', detail: detail.slice(0, 200) }
}
