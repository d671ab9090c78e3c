import { createIdentity } from '@kumiko/identity'
import type { Identity } from '@kumiko/interface'
import { KumikoError } from '@kumiko/interface'
import type { PeerId, PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { badOption, type HostOptions } from './options.ts'

/** Keys that make no identity of devp2p's. */
const OTHER_TYPES: ReadonlySet<string> = new Set(['Ed25519', 'RSA'])

/** Who a Host is. */
export interface NodeKey {
  readonly privateKey: PrivateKey
  readonly peerId: PeerId
  /** Undefined for a key that is not secp256k1: such a node is none of devp2p's. */
  readonly identity?: Identity
  /** Somebody may know the node by its key, which is not made for this run. */
  readonly isGiven: boolean
}

/**
 * The key of a Host: the one given, else a fresh one on secp256k1.
 *
 * @throws KumikoError `host/bad-option` for two keys, or what is none.
 */
export async function nodeKey({ identity, privateKey, clock }: Pick<HostOptions, 'identity' | 'privateKey' | 'clock'>): Promise<NodeKey> {
  const timing = clock === undefined ? {} : { clock }
  if (identity !== undefined && privateKey !== undefined) throw badOption('privateKey', 'is given beside identity: leave one of them out')
  if (identity !== undefined) return keyOf(identity, true)
  if (privateKey === undefined) return keyOf(await createIdentity(timing), false)
  if (privateKey.type === 'secp256k1') return keyOf(await createIdentity({ secretKey: privateKey.raw, ...timing }), true)
  if (!OTHER_TYPES.has(privateKey.type)) throw badOption('privateKey', "is no private key: make one with generateKeyPair('secp256k1')")
  return { privateKey, peerId: peerIdFromPrivateKey(privateKey), isGiven: true }
}

/** What reading the identity of a Host says that has none. */
export function noIdentity({ type }: PrivateKey): KumikoError {
  const mend = "for RLPx and node records give createHost a secp256k1 key, generateKeyPair('secp256k1'), or none"
  return new KumikoError('host/no-identity', `The node has no identity on devp2p, since its key is ${type}: ${mend}`, { context: { type } })
}

function keyOf(identity: Identity, isGiven: boolean): NodeKey {
  const { privateKey, peerId } = identity
  return { identity, privateKey, peerId, isGiven }
}
