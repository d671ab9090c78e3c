import { createIdentity } from '@kumiko/identity'
import type { Host, Identity } from '@kumiko/interface'
import { KumikoError } from '@kumiko/interface'
import type { PrivateKey, ServiceMap } from '@libp2p/interface'
import { createHost } from './create-host.ts'
import type { HostOptions } from './options.ts'

/** A Host's options, with the key as js-libp2p takes it. */
export interface Libp2pOptions<Services extends ServiceMap = ServiceMap> extends Omit<HostOptions<Services>, 'identity'> {
  /** A secp256k1 key. Default: a fresh one. */
  readonly privateKey?: PrivateKey
  /** Start before `createLibp2p` resolves. Default true. */
  readonly start?: boolean
}

/**
 * Makes a Host as js-libp2p's `createLibp2p` makes a node, for code and suites that import it. What a Host does in its own way
 * (`connectionManager`, `connectionMonitor`, `transportManager`, `peerStore` as flat settings, `dns`) is refused, not passed over.
 *
 * @throws KumikoError `host/bad-option` also for a key that is not secp256k1; else what `createHost` throws.
 */
export async function createLibp2p<Services extends ServiceMap = ServiceMap>(
  options: Libp2pOptions<Services> = {},
): Promise<Host<Services>> {
  const { privateKey, start = true, ...rest } = options
  if (privateKey === undefined) return await createHost<Services>({ ...rest, start })
  return await createHost<Services>({ ...rest, start, identity: await identityOf(privateKey, rest) })
}

async function identityOf(privateKey: PrivateKey, { clock }: Pick<HostOptions, 'clock'>): Promise<Identity> {
  if (privateKey.type !== 'secp256k1') throw notSecp256k1(privateKey.type)
  return await createIdentity({ secretKey: privateKey.raw, ...(clock === undefined ? {} : { clock }) })
}

function notSecp256k1(type: string): KumikoError {
  return new KumikoError(
    'host/bad-option',
    `privateKey: is ${type}, and one key for all networks is secp256k1: generateKeyPair('secp256k1')`,
    {
      context: { option: 'privateKey' },
    },
  )
}
