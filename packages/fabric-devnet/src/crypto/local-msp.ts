import { createSigner, type IdentitySigner, type LocalMsp, X509Msp } from '@kumiko/fabric-msp'
import { isFault } from '@kumiko/interface'
import type { Member, Organization } from './organization.ts'

/** A member's signing identity with its organisation's MSP, as if read from its folder. */
export function localMspOf(organization: Organization, member: Member): LocalMsp {
  const msp = X509Msp.from(organization.mspConfig, 'V1_4_3')
  if (isFault(msp)) throw new Error(`an organisation of ours has no MSP: ${msp.detail ?? msp.fault}`)
  return { msp, ...signerIn(msp, member) }
}

function signerIn(msp: X509Msp, { identity }: Member): IdentitySigner {
  const found = msp.identityFrom(new TextEncoder().encode(identity.certificate))
  if (isFault(found)) throw new Error(`a member of ours has no identity: ${found.detail ?? found.fault}`)
  return createSigner(found, identity.privateKey)
}
