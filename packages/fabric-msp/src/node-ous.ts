import type { FabricMspConfig, OuIdentifier } from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import { isEqual } from './certificate.ts'
import type { MspFault, MspRole } from './contract.ts'

/** Which rules an MSP goes by: the channel's capabilities say (`V1_4_3` for `V1_4_3` and `V2_0`), and a local one is `V1_4_3`. */
export type MspVersion = 'V1_0' | 'V1_1' | 'V1_3' | 'V1_4_3' | 'V3_0'

/** Tells whether one version is another or after it. */
export function isSince(version: MspVersion, since: MspVersion): boolean {
  return VERSIONS.indexOf(version) >= VERSIONS.indexOf(since)
}

/** An organisational unit with the chain that must stand behind it. */
export interface OrganizationalUnit {
  readonly name: string
  /** Digest of the chain; empty if any will do. */
  readonly certifiersIdentifier: Uint8Array
}

/** What an MSP demands of the units in its certificates (`mspimplvalidate.go`). */
export interface OuRules {
  /** Of those, an identity must have one, if there are any. */
  readonly required: readonly OrganizationalUnit[]
  /** Of those, an identity must have exactly one; `undefined` where node OUs are not in force. */
  readonly nodeOus: ReadonlyMap<NodeRole, OrganizationalUnit> | undefined
}

/** The roles that units tell apart. */
export type NodeRole = Exclude<MspRole, 'member'>

/** Finds the digest of the chain of a CA in PEM. */
export type Certify = (pem: Uint8Array) => Uint8Array | MspFault

/** The rules in a configuration (`mspimplsetup.go`, `setupOUs`, `setupNodeOUs`, `setupNodeOUsV142`). */
export function readOuRules(config: FabricMspConfig, version: MspVersion, certify: Certify): OuRules | MspFault {
  const required: OrganizationalUnit[] = []
  for (const identifier of config.organizationalUnitIdentifiers) {
    const certifiersIdentifier = certify(identifier.certificate)
    if (isFault(certifiersIdentifier)) return certifiersIdentifier
    required.push({ name: identifier.organizationalUnitIdentifier, certifiersIdentifier })
  }
  const nodeOus = version === 'V1_0' ? undefined : readNodeOus(config, version, certify)
  return isFault(nodeOus) ? nodeOus : { required, nodeOus }
}

/** Whether an identity's units are as the rules want them. @param units - The identity's; all with its own chain. */
export function checkOus(rules: OuRules, units: readonly OrganizationalUnit[]): MspFault | undefined {
  const isListed = rules.required.length === 0 || units.some((unit) => rules.required.some((required) => isSameUnit(required, unit)))
  if (!isListed) return unitFault('none of the organisational units that the MSP lists')
  return rules.nodeOus && checkNodeOus(new Map([...rules.nodeOus.values()].map((unit) => [unit.name, unit])), units)
}

/** Whether units hold the one of a role; chains were looked at when the identity was validated. */
export function hasRole(rules: OuRules, role: NodeRole, units: readonly OrganizationalUnit[]): boolean {
  const wanted = rules.nodeOus?.get(role)
  return wanted !== undefined && units.some(({ name }) => name === wanted.name)
}

const VERSIONS: readonly MspVersion[] = ['V1_0', 'V1_1', 'V1_3', 'V1_4_3', 'V3_0']

type NodeOuRules = ReadonlyMap<NodeRole, OrganizationalUnit>

function readNodeOus({ fabricNodeOus }: FabricMspConfig, version: MspVersion, certify: Certify): NodeOuRules | undefined | MspFault {
  if (fabricNodeOus === undefined) return undefined
  const { clientOuIdentifier: client, peerOuIdentifier: peer, adminOuIdentifier: admin, ordererOuIdentifier: orderer } = fabricNodeOus
  const isNew = isSince(version, 'V1_4_3')
  if (!isNew && (!client?.organizationalUnitIdentifier || !peer?.organizationalUnitIdentifier)) {
    return { fault: 'fabric-msp/bad-config', detail: 'node OUs without one for clients or peers' }
  }
  const rules = new Map<NodeRole, OrganizationalUnit>()
  for (const [role, identifier] of Object.entries(isNew ? { client, peer, admin, orderer } : { client, peer })) {
    const unit = identifier && readUnit(identifier, certify)
    if (isFault(unit)) return unit
    // The keys are those written above.
    if (unit !== undefined) rules.set(role as NodeRole, unit)
  }
  return fabricNodeOus.enable && rules.size > 0 ? rules : undefined
}

function readUnit({ certificate, organizationalUnitIdentifier: name }: OuIdentifier, certify: Certify): OrganizationalUnit | MspFault {
  const certifiersIdentifier = certificate.length === 0 ? certificate : certify(certificate)
  return isFault(certifiersIdentifier) ? certifiersIdentifier : { name, certifiersIdentifier }
}

function checkNodeOus(rules: ReadonlyMap<string, OrganizationalUnit>, units: readonly OrganizationalUnit[]): MspFault | undefined {
  let count = 0
  for (const unit of units) {
    const rule = rules.get(unit.name)
    if (rule === undefined) continue
    if (rule.certifiersIdentifier.length > 0 && !isSameUnit(rule, unit)) return unitFault('certified by another CA than the role needs')
    if (++count > 1) break
  }
  if (count === 1) return undefined
  return unitFault(count === 0 ? 'none of the roles that node OUs tell apart' : 'more than one of the roles that node OUs tell apart')
}

function isSameUnit(a: OrganizationalUnit, b: OrganizationalUnit): boolean {
  return a.name === b.name && isEqual(a.certifiersIdentifier, b.certifiersIdentifier)
}

function unitFault(detail: string): MspFault {
  return { fault: 'fabric-msp/organizational-unit', detail }
}
