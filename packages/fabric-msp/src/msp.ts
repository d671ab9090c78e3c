import { type CryptoConfig, FabricMspConfig, MspConfig } from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import { CaTree, certificateFromPem } from './ca-tree.ts'
import { type Certificate, isEqual } from './certificate.ts'
import type { Msp, MspFault, MspPrincipal, SimplePrincipal } from './contract.ts'
import type { RevocationList } from './crl.ts'
import { digest, hexDigest, type IdentifierHash, keyOf } from './digest.ts'
import { type IdentityRules, readSerializedIdentity, X509Identity } from './identity.ts'
import { checkOus, hasRole, isSince, type MspVersion, type OuRules, readOuRules } from './node-ous.ts'
import { encodePrincipal } from './principal.ts'
import { PublicKey, type SignatureHash } from './public-key.ts'
import { findRevocation, readRevocationLists } from './revocation.ts'
import { SecondChanceCache } from './second-chance-cache.ts'

/** Fabric's sizes (`msp/cache/cache.go`): identities by their bytes, those that are valid, and who satisfies which principal. */
const CACHE_ENTRIES = 100

/** What is known by longer bytes is not cached: a certificate has about a thousand, a remote may send millions. */
const CACHED_KEY_MAX = 16_384

/** An organisation with X.509 certificates (`msp/mspimpl.go`). */
export class X509Msp implements Msp {
  readonly mspId: string
  readonly version: MspVersion
  /** As in the configuration: CAs (PEM) of TLS certificates. Their validity was checked. */
  readonly tlsRootCerts: readonly Uint8Array[]
  readonly tlsIntermediateCerts: readonly Uint8Array[]
  readonly #cas: CaTree
  readonly #lists: readonly RevocationList[]
  readonly #ous: OuRules
  readonly #rules: IdentityRules
  readonly #identifierHash: IdentifierHash
  #admins: readonly X509Identity[] = []
  readonly #identities = new SecondChanceCache<X509Identity>(CACHE_ENTRIES)
  readonly #valid = new SecondChanceCache<true>(CACHE_ENTRIES)
  readonly #satisfied = new SecondChanceCache<boolean>(CACHE_ENTRIES)

  private constructor(config: FabricMspConfig, version: MspVersion, parts: Parts) {
    this.mspId = config.name
    this.version = version
    this.tlsRootCerts = config.tlsRootCerts
    this.tlsIntermediateCerts = config.tlsIntermediateCerts
    this.#cas = parts.cas
    this.#lists = parts.lists
    this.#ous = parts.ous
    this.#identifierHash = parts.identifierHash
    this.#rules = {
      mspId: config.name,
      signatureHash: parts.signatureHash,
      validate: (identity) => this.#validateOnce(identity),
      satisfies: (identity, principal) => this.#satisfiesOnce(identity, principal),
      certifiersIdentifier: (certificate) => this.#certifiersIdentifier(certificate),
    }
  }

  /**
   * Sets an MSP up as `mspimplsetup.go` does: CAs, revocation lists, TLS CAs, units, admins.
   * @param config - Kept.
   * @returns The fault of the first part that is not as it should be.
   */
  static from(config: FabricMspConfig, version: MspVersion): X509Msp | MspFault {
    const parts = readParts(config, version)
    if (isFault(parts)) return parts
    const msp = new X509Msp(config, version, parts)
    return msp.#readAdmins(config.admins) ?? msp
  }

  deserialize(serialized: Uint8Array): X509Identity | MspFault {
    const key = keyOf(serialized)
    const cached = this.#identities.get(key)
    if (cached !== undefined) return cached
    const read = readSerializedIdentity(serialized)
    if (isFault(read)) return read
    if (read.mspId !== this.mspId) return { fault: 'fabric-msp/wrong-msp', detail: `of ${read.mspId.slice(0, 100)}` }
    const identity = this.identityFrom(read.idBytes.slice())
    if (!isFault(identity) && key.length <= CACHED_KEY_MAX) this.#identities.set(key, identity)
    return identity
  }

  /** The identity with a certificate in PEM; not yet validated. @param pem - Kept. */
  identityFrom(pem: Uint8Array): X509Identity | MspFault {
    const given = certificateFromPem(pem)
    if (isFault(given)) return given
    const key = PublicKey.from(given.publicKey)
    if (key === undefined) return { fault: 'fabric-msp/unsupported-key', detail: 'neither ECDSA, Ed25519 nor RSA, or not on its curve' }
    const certificate = this.#cas.sanitize(given)
    return isFault(certificate)
      ? certificate
      : new X509Identity(this.#rules, certificate, key, hexDigest(this.#identifierHash, certificate.raw))
  }

  #readAdmins(pems: readonly Uint8Array[]): MspFault | undefined {
    const admins: X509Identity[] = []
    for (const pem of pems) {
      const admin = this.identityFrom(pem)
      if (isFault(admin)) return inContext(admin, 'an admin')
      const fault = this.#checkAdmin(admin)
      if (fault !== undefined) return inContext(fault, 'an admin')
      admins.push(admin)
    }
    this.#admins = admins
    const isNamed = admins.length > 0 || this.#ous.nodeOus?.has('admin') === true || !isSince(this.version, 'V1_4_3')
    return isNamed ? undefined : { fault: 'fabric-msp/no-admins', detail: 'neither certificates of admins nor a node OU for them' }
  }

  /** Who is listed as an admin is not validated again when asked for (`postSetupV1`, `postSetupV11`, `postSetupV142`). */
  #checkAdmin(admin: X509Identity): MspFault | undefined {
    if (this.#ous.nodeOus === undefined) return admin.validate()
    const units = admin.organizationalUnits
    const isNew = isSince(this.version, 'V1_4_3')
    const isFit = hasRole(this.#ous, 'client', units) || (isNew && hasRole(this.#ous, 'admin', units))
    if (!isFit) return { fault: 'fabric-msp/organizational-unit', detail: 'neither a client nor an admin' }
    return isNew ? undefined : admin.validate()
  }

  #validateOnce(identity: X509Identity): MspFault | undefined {
    if (this.#valid.get(identity.id) === true) return undefined
    const fault = this.#validate(identity)
    if (fault === undefined) this.#valid.set(identity.id, true)
    return fault
  }

  #validate(identity: X509Identity): MspFault | undefined {
    const { certificate } = identity
    const { algorithm } = certificate.publicKey
    const isSupported = algorithm === 'ecdsa' || (algorithm === 'ed25519' && this.version === 'V3_0')
    if (!isSupported) return { fault: 'fabric-msp/unsupported-key', detail: `${algorithm} in an MSP of ${this.version}` }
    const chain = this.#cas.chainOfIdentity(certificate)
    if (isFault(chain)) return chain
    return findRevocation(this.#lists, certificate, chain) ?? checkOus(this.#ous, identity.organizationalUnits)
  }

  #certifiersIdentifier(certificate: Certificate): Uint8Array | MspFault {
    const chain = this.#cas.chainOfIdentity(certificate)
    return isFault(chain) ? chain : digest(this.#identifierHash, ...chain.slice(1).map(({ raw }) => raw))
  }

  #satisfiesOnce(identity: X509Identity, principal: MspPrincipal): boolean {
    const key = identity.id + principalKey(principal)
    const known = this.#satisfied.get(key)
    if (known !== undefined) return known
    const answer = this.#satisfies(identity, principal)
    if (key.length <= CACHED_KEY_MAX) this.#satisfied.set(key, answer)
    return answer
  }

  #satisfies(identity: X509Identity, principal: MspPrincipal): boolean {
    if (principal.kind !== 'combined') return this.#satisfiesSimple(identity, principal)
    const isKnown = isSince(this.version, 'V1_3') && principal.principals.length > 0
    return isKnown && principal.principals.every((part) => this.#satisfiesSimple(identity, part))
  }

  #satisfiesSimple(identity: X509Identity, principal: SimplePrincipal): boolean {
    switch (principal.kind) {
      case 'role':
        return principal.mspId === this.mspId && this.#hasRole(identity, principal.role)
      case 'organization-unit':
        return principal.mspId === this.mspId && this.#hasUnit(identity, principal)
      case 'identity':
        return this.#isIdentity(identity, principal.serialized)
      case 'anonymity':
        return isSince(this.version, 'V1_3') && principal.anonymity === 'nominal'
    }
  }

  #hasRole(identity: X509Identity, role: (SimplePrincipal & { readonly kind: 'role' })['role']): boolean {
    if (role === 'member') return identity.validate() === undefined
    if (role === 'admin' && this.#admins.some(({ certificate }) => isEqual(certificate.raw, identity.certificate.raw))) return true
    return identity.validate() === undefined && hasRole(this.#ous, role, identity.organizationalUnits)
  }

  #hasUnit(identity: X509Identity, wanted: SimplePrincipal & { readonly kind: 'organization-unit' }): boolean {
    if (identity.validate() !== undefined) return false
    return identity.organizationalUnits.some(
      ({ name, certifiersIdentifier }) => name === wanted.organizationalUnit && isEqual(certifiersIdentifier, wanted.certifiersIdentifier),
    )
  }

  #isIdentity(identity: X509Identity, serialized: Uint8Array): boolean {
    const wanted = this.deserialize(serialized)
    return !isFault(wanted) && isEqual(wanted.certificate.raw, identity.certificate.raw) && wanted.validate() === undefined
  }
}

/** Reads `msp.MSPConfig`, which a channel's configuration holds for each organisation. */
export function readMspConfig(bytes: Uint8Array): FabricMspConfig | MspFault {
  const wrapper = MspConfig.decode(bytes)
  if (isFault(wrapper)) return badConfig(wrapper.detail)
  return wrapper.type === 0
    ? readFabricMspConfig(wrapper.config)
    : badConfig(`MSPs of type ${wrapper.type} are not supported, only X.509 (0)`)
}

/** Reads `msp.FabricMSPConfig`. */
export function readFabricMspConfig(bytes: Uint8Array): FabricMspConfig | MspFault {
  const config = FabricMspConfig.decode(bytes)
  return isFault(config) ? badConfig(config.detail) : config
}

interface Parts {
  readonly cas: CaTree
  readonly lists: readonly RevocationList[]
  readonly ous: OuRules
  readonly signatureHash: SignatureHash
  readonly identifierHash: IdentifierHash
}

function readParts(config: FabricMspConfig, version: MspVersion): Parts | MspFault {
  const hashes = readHashes(config.cryptoConfig)
  if (isFault(hashes)) return hashes
  if (config.rootCerts.length === 0) return badConfig('no root CA')
  const cas = CaTree.from(config.rootCerts, config.intermediateCerts)
  if (isFault(cas)) return inContext(cas, 'a CA')
  const lists = readRevocationLists(config.revocationList)
  if (isFault(lists)) return lists
  const findRevoked = (certificate: Certificate, chain: readonly Certificate[]) => findRevocation(lists, certificate, chain)
  const fault = cas.finish(findRevoked)
  if (fault !== undefined) return inContext(fault, 'a CA')
  const tlsCas = CaTree.plain(config.tlsRootCerts, config.tlsIntermediateCerts)
  const tlsFault = isFault(tlsCas) ? tlsCas : tlsCas.finish(findRevoked)
  if (tlsFault !== undefined) return inContext(tlsFault, 'a TLS CA')
  const ous = readOuRules(config, version, (pem) => certify(cas, pem, hashes.identifierHash))
  return isFault(ous) ? inContext(ous, 'an organisational unit') : { cas, lists, ous, ...hashes }
}

/** Digest of a CA's chain, the CA with it. */
function certify(cas: CaTree, pem: Uint8Array, hash: IdentifierHash): Uint8Array | MspFault {
  const given = certificateFromPem(pem)
  const certificate = isFault(given) ? given : cas.sanitize(given)
  const chain = isFault(certificate) ? certificate : cas.chainOfCa(certificate)
  return isFault(chain) ? chain : digest(hash, ...chain.map(({ raw }) => raw))
}

const SIGNATURE_HASHES: Readonly<Record<string, SignatureHash>> = { '': 'sha256', SHA2: 'sha256', SHA3: 'sha3-256' }

const IDENTIFIER_HASHES: Readonly<Record<string, IdentifierHash>> = {
  '': 'sha256',
  SHA256: 'sha256',
  SHA384: 'sha384',
  SHA3_256: 'sha3-256',
  SHA3_384: 'sha3-384',
}

function readHashes(config: CryptoConfig | undefined): Pick<Parts, 'signatureHash' | 'identifierHash'> | MspFault {
  const signatureHash = SIGNATURE_HASHES[config?.signatureHashFamily ?? '']
  const identifierHash = IDENTIFIER_HASHES[config?.identityIdentifierHashFunction ?? '']
  if (signatureHash === undefined || identifierHash === undefined) return badConfig('no such hash in cryptoConfig')
  return { signatureHash, identifierHash }
}

/** The principal's bytes as a key; made once for each object, and forgotten with it. */
function principalKey(principal: MspPrincipal): string {
  const known = principalKeys.get(principal)
  if (known !== undefined) return known
  const key = keyOf(encodePrincipal(principal))
  principalKeys.set(principal, key)
  return key
}

const principalKeys = new WeakMap<MspPrincipal, string>()

function inContext({ fault, detail }: MspFault, where: string): MspFault {
  return { fault, detail: `${where}: ${detail ?? fault}`.slice(0, 200) }
}

function badConfig(detail = ''): MspFault {
  return { fault: 'fabric-msp/bad-config', detail }
}
