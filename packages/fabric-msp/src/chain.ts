import { type Certificate, isEqual } from './certificate.ts'
import type { MspFault } from './contract.ts'
import { EXTENSION, KEY_CERT_SIGN } from './extension.ts'
import { commonNameOf } from './name.ts'
import { permits } from './name-constraints.ts'

/** From the certificate asked about to a root. */
export type Chain = readonly Certificate[]

/** CAs to build chains from. */
export interface CertificatePool {
  readonly roots: readonly Certificate[]
  readonly intermediates: readonly Certificate[]
}

/** Whether the parent's key made the child's signature. What it costs is why chains are kept. */
export type CheckSignature = (child: Certificate, parent: Certificate) => boolean

/**
 * The chain from a certificate to a root, by the rules of Go's `Certificate.Verify` as the MSP calls it (`mspimpl.go`, `getUniqueValidationChain`,
 * research § 1.3): at the certificate's `notBefore` + 1 s, whatever the time is; fit for TLS servers where extended key usages are given at all;
 * and exactly one.
 */
export function findChain(certificate: Certificate, pool: CertificatePool, check: CheckSignature): Chain | MspFault {
  const chains = new ChainSearch(certificate, pool, check).run()
  const [chain] = chains
  if (chain === undefined) return { fault: 'fabric-msp/no-chain', detail: 'no chain to a root of this MSP' }
  if (chains.length > 1) return { fault: 'fabric-msp/several-chains', detail: `${chains.length} chains, and only one may be` }
  return violatesLegacyNameRule(chain) ? { fault: 'fabric-msp/name-constraints', detail: 'a host name without alternative names' } : chain
}

/** Go's bound on signature checks in one search. */
const CHECKS_MAX = 100

class ChainSearch {
  readonly #leaf: Certificate
  readonly #pool: CertificatePool
  readonly #check: CheckSignature
  #checks = 0

  constructor(leaf: Certificate, pool: CertificatePool, check: CheckSignature) {
    this.#leaf = leaf
    this.#pool = pool
    this.#check = check
  }

  run(): Chain[] {
    const leaf = this.#leaf
    if (!isFit(leaf, [], leaf)) return []
    const isRoot = this.#pool.roots.some(({ raw }) => isEqual(raw, leaf.raw))
    const chains = isRoot ? [[leaf]] : this.#extend([leaf])
    return chains.filter((chain) => chain.every(servesTls))
  }

  /** All chains that begin so. */
  #extend(chain: Chain): Chain[] {
    const roots = this.#parents(chain, this.#pool.roots)
    const intermediates = this.#parents(chain, this.#pool.intermediates).filter(({ basicConstraints }) => basicConstraints?.isCa === true)
    return [...roots.map((root) => [...chain, root]), ...intermediates.flatMap((parent) => this.#extend([...chain, parent]))]
  }

  #parents(chain: Chain, candidates: readonly Certificate[]): Certificate[] {
    const child = chain.at(-1) ?? this.#leaf
    return candidates.filter(
      (parent) =>
        isEqual(parent.subject.raw, child.issuer.raw) &&
        !chain.some((link) => isSameCa(link, parent)) &&
        ++this.#checks <= CHECKS_MAX &&
        maySign(parent) &&
        this.#check(child, parent) &&
        isFit(parent, chain, this.#leaf),
    )
  }
}

/** Whether the parent's extensions let it sign certificates. */
export function maySign({ version, basicConstraints, keyUsage }: Certificate): boolean {
  const isCa = basicConstraints === undefined ? version !== 3 : basicConstraints.isCa
  return isCa && (keyUsage === 0 || (keyUsage & KEY_CERT_SIGN) !== 0)
}

/** Whether a certificate may stand behind the chain. */
function isFit(certificate: Certificate, chain: Chain, leaf: Certificate): boolean {
  const now = leaf.notBefore + 1
  const { basicConstraints, nameConstraints } = certificate
  if (certificate.unhandledCritical.length > 0 || now < certificate.notBefore || now > certificate.notAfter) return false
  if (chain.length - 1 > (basicConstraints?.maxPathLength ?? Number.POSITIVE_INFINITY)) return false
  if (nameConstraints === undefined || chain.length === 0) return true
  const names = [...(leaf.subjectAltNames ?? []), ...(certificate.subjectAltNames ?? [])]
  return names.every((name) => permits(nameConstraints, name))
}

/** Go tells CAs in a loop by subject, key and alternative names. */
function isSameCa(a: Certificate, b: Certificate): boolean {
  return isEqual(a.subject.raw, b.subject.raw) && isEqual(a.publicKey.key, b.publicKey.key) && isEqual(altNamesOf(a), altNamesOf(b))
}

function altNamesOf({ extensions }: Certificate): Uint8Array {
  return extensions.find(({ id }) => id === EXTENSION.subjectAltName)?.value ?? new Uint8Array(0)
}

/** `serverAuth` or any usage, if usages are given: what Go asks for unless told otherwise, and Fabric does not. */
function servesTls({ extKeyUsage }: Certificate): boolean {
  return extKeyUsage.length === 0 || extKeyUsage.includes('1.3.6.1.5.5.7.3.1') || extKeyUsage.includes('2.5.29.37.0')
}

/** Go 1.14's rule, kept by Fabric: under name constraints, who has a host name for a common name must have alternative names. */
function violatesLegacyNameRule([leaf, ...parents]: Chain): boolean {
  if (leaf === undefined || leaf.subjectAltNames !== undefined || !isHostName(commonNameOf(leaf.subject))) return false
  return parents.some(({ nameConstraints }) => nameConstraints !== undefined)
}

function isHostName(name: string): boolean {
  const labels = name.replace(/\.$/, '').split('.')
  return labels.every((label, i) => (i === 0 && label === '*') || /^[A-Za-z0-9_:][A-Za-z0-9_:-]*$/.test(label))
}
