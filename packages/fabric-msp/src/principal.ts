import {
  AnonymityMessage,
  CombinedPrincipalMessage,
  MspPrincipalMessage,
  MspRoleMessage,
  OrganizationUnitMessage,
} from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import type { MspFault, MspPrincipal, MspRole, SimplePrincipal } from './contract.ts'

/**
 * Reads a principal from `common.MSPPrincipal` (`msp/msp_principal.proto`).
 *
 * Fabric reads principals only when it asks who satisfies them, so a policy with one that cannot be read is a policy still: nobody satisfies that
 * principal. A combined one is at fault if any of its parts is.
 */
export function readPrincipal(bytes: Uint8Array): MspPrincipal | MspFault {
  const message = MspPrincipalMessage.decode(bytes)
  return isFault(message) ? badPrincipal(message.detail) : principalFrom(message)
}

/** As {@link readPrincipal}, where the message is decoded already. */
export function principalFrom(message: MspPrincipalMessage): MspPrincipal | MspFault {
  if (message.principalClassification !== COMBINED) return simpleFrom(message)
  const parts = flatten(message)
  if (isFault(parts)) return parts
  const principals: SimplePrincipal[] = []
  for (const part of parts) {
    const principal = simpleFrom(part)
    if (isFault(principal)) return principal
    principals.push(principal)
  }
  return { kind: 'combined', principals }
}

/** A principal's bytes, as Fabric writes it. */
export function encodePrincipal(principal: MspPrincipal): Uint8Array {
  return MspPrincipalMessage.encode(messageFrom(principal))
}

const ROLE = 0
const ORGANIZATION_UNIT = 1
const IDENTITY = 2
const ANONYMITY = 3
const COMBINED = 4

/** By their numbers in `MSPRole.MSPRoleType`. */
const ROLES: readonly MspRole[] = ['member', 'admin', 'client', 'peer', 'orderer']

/** The parts that are not combined, without recursion: Fabric puts no limit to nesting, the message's length does. */
function flatten(combined: MspPrincipalMessage): MspPrincipalMessage[] | MspFault {
  const open = [combined]
  const parts: MspPrincipalMessage[] = []
  for (let message = open.pop(); message !== undefined; message = open.pop()) {
    if (message.principalClassification !== COMBINED) {
      parts.push(message)
      continue
    }
    const inner = CombinedPrincipalMessage.decode(message.principal)
    if (isFault(inner)) return badPrincipal(inner.detail)
    if (inner.principals.length === 0) return badPrincipal('a combined principal without parts')
    for (const part of inner.principals.toReversed()) open.push(part)
  }
  return parts
}

function simpleFrom({ principalClassification, principal }: MspPrincipalMessage): SimplePrincipal | MspFault {
  const read = READERS[principalClassification]
  return read === undefined ? badPrincipal(`no such kind: ${principalClassification}`) : read(principal)
}

const READERS: Readonly<Record<number, (bytes: Uint8Array) => SimplePrincipal | MspFault>> = {
  [ROLE]: roleFrom,
  [ORGANIZATION_UNIT]: organizationUnitFrom,
  [IDENTITY]: (serialized) => ({ kind: 'identity', serialized }),
  [ANONYMITY]: anonymityFrom,
}

function roleFrom(bytes: Uint8Array): SimplePrincipal | MspFault {
  const message = MspRoleMessage.decode(bytes)
  if (isFault(message)) return badPrincipal(message.detail)
  const role = ROLES[message.role]
  return role === undefined ? badPrincipal(`no such role: ${message.role}`) : { kind: 'role', mspId: message.mspIdentifier, role }
}

function organizationUnitFrom(bytes: Uint8Array): SimplePrincipal | MspFault {
  const unit = OrganizationUnitMessage.decode(bytes)
  if (isFault(unit)) return badPrincipal(unit.detail)
  const { mspIdentifier: mspId, organizationalUnitIdentifier: organizationalUnit, certifiersIdentifier } = unit
  return { kind: 'organization-unit', mspId, organizationalUnit, certifiersIdentifier }
}

function anonymityFrom(bytes: Uint8Array): SimplePrincipal | MspFault {
  const message = AnonymityMessage.decode(bytes)
  if (isFault(message)) return badPrincipal(message.detail)
  if (message.anonymityType > 1 || message.anonymityType < 0) return badPrincipal(`no such anonymity: ${message.anonymityType}`)
  return { kind: 'anonymity', anonymity: message.anonymityType === 0 ? 'nominal' : 'anonymous' }
}

function messageFrom(principal: MspPrincipal): MspPrincipalMessage {
  switch (principal.kind) {
    case 'role': {
      const role = { mspIdentifier: principal.mspId, role: ROLES.indexOf(principal.role) }
      return { principalClassification: ROLE, principal: MspRoleMessage.encode(role) }
    }
    case 'organization-unit': {
      const { mspId, organizationalUnit, certifiersIdentifier } = principal
      const unit = { mspIdentifier: mspId, organizationalUnitIdentifier: organizationalUnit, certifiersIdentifier }
      return { principalClassification: ORGANIZATION_UNIT, principal: OrganizationUnitMessage.encode(unit) }
    }
    case 'identity':
      return { principalClassification: IDENTITY, principal: principal.serialized }
    case 'anonymity': {
      const anonymityType = principal.anonymity === 'nominal' ? 0 : 1
      return { principalClassification: ANONYMITY, principal: AnonymityMessage.encode({ anonymityType }) }
    }
    case 'combined': {
      const principals = principal.principals.map(messageFrom)
      return { principalClassification: COMBINED, principal: CombinedPrincipalMessage.encode({ principals }) }
    }
  }
}

function badPrincipal(detail = ''): MspFault {
  return { fault: 'fabric-msp/bad-principal', detail }
}
