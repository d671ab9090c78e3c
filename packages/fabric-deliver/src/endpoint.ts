import type { Endpoint } from '@kumiko/fabric-grpc'
import type { ChannelBundle, X509Msp } from '@kumiko/fabric-msp'
import { equalBytes } from '@kumiko/fabric-protocol'

/** How a channel's orderers are reached. */
export interface OrdererEndpointOptions {
  /** Default true. False: without TLS, as in a network that has none (`peer.tls.enabled`). */
  readonly tls?: boolean
  /** By address as the channel's configuration has it: what to take instead (`peer.deliveryclient.addressOverrides`). */
  readonly overrides?: ReadonlyMap<string, Endpoint>
}

/**
 * The orderers that a channel's configuration names: those of its organisations, each with the TLS CAs of its MSP; or where no organisation names
 * any, those of the whole channel, with the TLS CAs of all.
 * @returns Empty where the configuration names none.
 * @see Fabric `internal/pkg/peer/orderers/connection.go` Update
 */
export function ordererEndpoints(
  bundle: Pick<ChannelBundle<X509Msp>, 'orderer' | 'ordererAddresses'>,
  { tls = true, overrides }: OrdererEndpointOptions = {},
): readonly Endpoint[] {
  const organizations = [...(bundle.orderer?.organizations.values() ?? [])]
  const ofOne = organizations.flatMap(({ endpoints, msp }) => endpoints.map((address) => ({ address, tlsRoots: rootsOf(msp) })))
  const allRoots = organizations.flatMap(({ msp }) => rootsOf(msp))
  const named = ofOne.length > 0 ? ofOne : bundle.ordererAddresses.map((address) => ({ address, tlsRoots: allRoots }))
  return named.map((endpoint) => overrides?.get(endpoint.address) ?? (tls ? endpoint : { address: endpoint.address }))
}

/** Whether two are reached, and known to be who they are, in the same way. */
export function isSameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return a.address === b.address && a.serverNameOverride === b.serverNameOverride && areSameRoots(a.tlsRoots, b.tlsRoots)
}

function areSameRoots(a: Endpoint['tlsRoots'], b: Endpoint['tlsRoots']): boolean {
  if (a === undefined || b === undefined) return a === b
  return a.length === b.length && a.every((root, at) => equalBytes(root, b[at] ?? new Uint8Array()))
}

function rootsOf({ tlsRootCerts, tlsIntermediateCerts }: X509Msp): readonly Uint8Array[] {
  return [...tlsRootCerts, ...tlsIntermediateCerts]
}
