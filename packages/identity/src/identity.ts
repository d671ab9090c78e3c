import { type Clock, checkOptionNames, type Identity, KumikoError, type LocalRecord, type NodeId } from '@kumiko/interface'
import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import type { PeerId, Secp256k1PrivateKey } from '@libp2p/interface'
import type { Datastore } from 'interface-datastore'
import { curve } from './curve.ts'
import { localRecord } from './local-record.ts'
import { enodeOf, enrTextOf } from './node.ts'
import { nodeIdOf } from './node-id.ts'
import { peerIdOf } from './peer-id.ts'
import { generateSecretKey } from './secret-key.ts'
import type { SeqStore } from './sequence.ts'

/** Options of {@link createIdentity}. */
export interface IdentityOptions {
  /** 32 bytes; copied. Default: a new key, which is lost with the process. */
  readonly secretKey?: Uint8Array
  readonly clock?: Clock
  /** Where the record's sequence number is kept. Default: nowhere; a restart then begins with the time. */
  readonly seqStore?: SeqStore | Datastore
}

const OPTIONS: Readonly<Record<keyof IdentityOptions, true>> = { secretKey: true, clock: true, seqStore: true }

/**
 * One key under all its names, and the record that we tell others of ourselves.
 *
 * @throws KumikoError `identity/bad-option`, `identity/bad-secret-key`; what the store throws.
 */
export async function createIdentity(options: IdentityOptions = {}): Promise<Identity> {
  checkOptionNames('identity/bad-option', 'createIdentity', options, OPTIONS)
  const secretKey = options.secretKey?.slice() ?? generateSecretKey()
  if (!curve.isSecretKey(secretKey)) throw new KumikoError('identity/bad-secret-key', 'bad secret key: want 32 bytes, a secp256k1 key')
  const privateKey = privateKeyFromRaw(secretKey)
  if (privateKey.type !== 'secp256k1') throw new KumikoError('identity/bad-secret-key', 'bad secret key: want 32 bytes')
  return new KeyIdentity(privateKey, secretKey, await localRecord({ ...options, secretKey }))
}

/** The secret is behind getters, so that printing an identity does not show it. */
class KeyIdentity implements Identity {
  readonly publicKey: Uint8Array
  readonly nodeId: NodeId
  readonly peerId: PeerId
  readonly #record: LocalRecord
  readonly #secretKey: Uint8Array
  readonly #privateKey: Secp256k1PrivateKey

  constructor(privateKey: Secp256k1PrivateKey, secretKey: Uint8Array, record: LocalRecord) {
    this.publicKey = privateKey.publicKey.raw
    this.nodeId = nodeIdOf(curve.publicKey(secretKey))
    this.peerId = peerIdOf(this.publicKey)
    this.#record = record
    this.#secretKey = secretKey
    this.#privateKey = privateKey
  }

  get secretKey(): Uint8Array {
    return this.#secretKey
  }

  get privateKey(): Secp256k1PrivateKey {
    return this.#privateKey
  }

  get record(): LocalRecord {
    return this.#record
  }

  get enode(): string {
    return enodeOf(this.#record.node)
  }

  get enr(): string {
    return enrTextOf(this.#record.node) ?? ''
  }
}
