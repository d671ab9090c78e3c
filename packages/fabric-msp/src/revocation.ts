import { isFault } from '@kumiko/interface'
import { keyOfCa } from './ca-tree.ts'
import { type Certificate, isEqual } from './certificate.ts'
import type { Chain } from './chain.ts'
import type { MspFault } from './contract.ts'
import { isListed, parseRevocationList, type RevocationList } from './crl.ts'
import { encodeSignature, readSignature } from './ecdsa-signature.ts'
import { isSignedByEcdsa } from './public-key.ts'

/** Reads an MSP's lists; ECDSA signatures on them are read leniently (`mspimplsetup.go`, `setupCRLs`). */
export function readRevocationLists(bytes: readonly Uint8Array[]): RevocationList[] | MspFault {
  const lists: RevocationList[] = []
  for (const each of bytes) {
    const parsed = parseRevocationList(each)
    const list = isFault(parsed) ? parsed : withCanonicalSignature(parsed)
    if (isFault(list)) return list
    lists.push(list)
  }
  return lists
}

/**
 * Whether a certificate is revoked (`mspimplvalidate.go`, `validateCertAgainstChain`): only lists of the CA right above it count, found by its key
 * identifier, and only if that CA signed them. No date counts.
 */
export function findRevocation(lists: readonly RevocationList[], certificate: Certificate, chain: Chain): MspFault | undefined {
  const issuer = chain[1]
  if (issuer?.subjectKeyId === undefined) return { fault: 'fabric-msp/no-key-identifier', detail: 'of the CA that issued the certificate' }
  for (const list of lists) {
    const { authorityKeyId } = list
    if (authorityKeyId === undefined) return { fault: 'fabric-msp/bad-revocation-list', detail: 'without authorityKeyIdentifier' }
    const isOfIssuer = isEqual(authorityKeyId, issuer.subjectKeyId) && isListed(list, certificate.serialNumber)
    if (isOfIssuer && keyOfCa(issuer)?.hasSigned(list, true) === true) return { fault: 'fabric-msp/revoked', detail: 'on a list of its CA' }
  }
  return undefined
}

function withCanonicalSignature(list: RevocationList): RevocationList | MspFault {
  if (!isSignedByEcdsa(list)) return list
  const signature = readSignature(list.signature)
  return signature === undefined
    ? { fault: 'fabric-msp/bad-revocation-list', detail: 'signature' }
    : { ...list, signature: encodeSignature(signature) }
}
