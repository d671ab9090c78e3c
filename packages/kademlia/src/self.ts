import { createIdentity, ipBytes } from '@kumiko/identity'
import { type Clock, type Identity, type IpFamily, KumikoError, type LocalRecord, optionalComponent, type UdpPort } from '@kumiko/interface'
import type { PrivateKey } from '@libp2p/interface'

const FAMILIES: readonly IpFamily[] = [4, 6]
const WILDCARDS: ReadonlySet<string> = new Set(['0.0.0.0', '::'])

/** What go-ethereum falls back to. */
const LOOPBACK = '127.0.0.1'

/** What tells who we are: vanilla js-libp2p has a key only. */
export interface SelfComponents {
  readonly privateKey: PrivateKey
  readonly identity?: Identity
}

/**
 * Who we are.
 *
 * @param protocol - In whose name an error is thrown.
 * @throws KumikoError `discv4/no-identity`, `discv5/no-identity`, where the key is not of secp256k1.
 */
export async function identityOf(components: SelfComponents, protocol: 'discv4' | 'discv5', clock: Clock): Promise<Identity> {
  const identity = optionalComponent(components, 'identity')
  if (identity !== undefined) return identity
  const { privateKey } = components
  if (privateKey.type === 'secp256k1') return await createIdentity({ secretKey: privateKey.raw, clock })
  throw new KumikoError(
    `${protocol}/no-identity`,
    `${protocol} needs a secp256k1 key, the node has ${privateKey.type}: create it with a secp256k1 privateKey`,
  )
}

/** Our record says where we take packets, and an address if nothing better is known yet. */
export function announce(record: LocalRecord, port: Pick<UdpPort, 'local'>): void {
  for (const family of FAMILIES) {
    const bound = port.local(family)
    if (bound === undefined) continue
    const hasAddress = record.node.endpoints.some(({ host }) => ipBytes(host)?.length === (family === 4 ? 4 : 16))
    if (!hasAddress && !WILDCARDS.has(bound.ip)) record.setFallback(family, bound.ip)
    else if (!hasAddress && family === 4) record.setFallback(family, LOOPBACK)
    record.setPorts(family, { udp: bound.port })
  }
}

/** It says so no longer. */
export function withdraw(record: LocalRecord, port: Pick<UdpPort, 'local'>): void {
  for (const family of FAMILIES) if (port.local(family) !== undefined) record.setPorts(family, { udp: undefined })
}
