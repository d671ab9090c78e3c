import { bool, bytes, int32, type Message, message, nested, repeatedBytes, repeatedNested, string } from '@kumiko/fabric-protocol'

/** `msp.SerializedIdentity` */
export interface SerializedIdentity {
  mspid: string
  /** PEM of the certificate. */
  idBytes: Uint8Array
}
export const SerializedIdentity: Message<SerializedIdentity> = message('SerializedIdentity', { mspid: string(1), idBytes: bytes(2) })

/** `common.MSPPrincipal` */
export interface MspPrincipalMessage {
  principalClassification: number
  principal: Uint8Array
}
export const MspPrincipalMessage: Message<MspPrincipalMessage> = message('MSPPrincipal', {
  principalClassification: int32(1),
  principal: bytes(2),
})

/** `common.MSPRole` */
export interface MspRoleMessage {
  mspIdentifier: string
  role: number
}
export const MspRoleMessage: Message<MspRoleMessage> = message('MSPRole', { mspIdentifier: string(1), role: int32(2) })

/** `common.OrganizationUnit` */
export interface OrganizationUnitMessage {
  mspIdentifier: string
  organizationalUnitIdentifier: string
  certifiersIdentifier: Uint8Array
}
export const OrganizationUnitMessage: Message<OrganizationUnitMessage> = message('OrganizationUnit', {
  mspIdentifier: string(1),
  organizationalUnitIdentifier: string(2),
  certifiersIdentifier: bytes(3),
})

/** `common.MSPIdentityAnonymity` */
export interface AnonymityMessage {
  anonymityType: number
}
export const AnonymityMessage: Message<AnonymityMessage> = message('MSPIdentityAnonymity', { anonymityType: int32(1) })

/** `common.CombinedPrincipal`; its parts as they are on the wire are {@link MspPrincipalMessage}. */
export interface CombinedPrincipalMessage {
  principals: readonly MspPrincipalMessage[]
}
export const CombinedPrincipalMessage: Message<CombinedPrincipalMessage> = message('CombinedPrincipal', {
  principals: repeatedNested(1, () => MspPrincipalMessage),
})

/** `msp.MSPConfig` */
export interface MspConfigMessage {
  /** 0 for X.509, 1 for Idemix. */
  type: number
  config: Uint8Array
}
export const MspConfigMessage: Message<MspConfigMessage> = message('MSPConfig', { type: int32(1), config: bytes(2) })

/** `msp.FabricOUIdentifier`: an organisational unit, and the CA (PEM) whose word counts for it; empty if any CA of the MSP does. */
export interface OuIdentifier {
  certificate: Uint8Array
  organizationalUnitIdentifier: string
}
export const OuIdentifier: Message<OuIdentifier> = message('FabricOUIdentifier', {
  certificate: bytes(1),
  organizationalUnitIdentifier: string(2),
})

/** `msp.FabricNodeOUs`: the units that tell clients, peers, admins and orderers apart. */
export interface NodeOus {
  enable: boolean
  clientOuIdentifier: OuIdentifier | undefined
  peerOuIdentifier: OuIdentifier | undefined
  adminOuIdentifier: OuIdentifier | undefined
  ordererOuIdentifier: OuIdentifier | undefined
}
export const NodeOus: Message<NodeOus> = message('FabricNodeOUs', {
  enable: bool(1),
  clientOuIdentifier: nested(2, () => OuIdentifier),
  peerOuIdentifier: nested(3, () => OuIdentifier),
  adminOuIdentifier: nested(4, () => OuIdentifier),
  ordererOuIdentifier: nested(5, () => OuIdentifier),
})

/** `msp.FabricCryptoConfig`: empty for Fabric's defaults, `SHA2` and `SHA256`. */
export interface CryptoConfig {
  signatureHashFamily: string
  identityIdentifierHashFunction: string
}
export const CryptoConfig: Message<CryptoConfig> = message('FabricCryptoConfig', {
  signatureHashFamily: string(1),
  identityIdentifierHashFunction: string(2),
})

/** `msp.FabricMSPConfig`: an organisation's certificates (PEM) and rules. The signing identity of a local one is not part of it here. */
export interface FabricMspConfig {
  name: string
  rootCerts: readonly Uint8Array[]
  intermediateCerts: readonly Uint8Array[]
  admins: readonly Uint8Array[]
  /** DER or PEM. */
  revocationList: readonly Uint8Array[]
  organizationalUnitIdentifiers: readonly OuIdentifier[]
  cryptoConfig: CryptoConfig | undefined
  tlsRootCerts: readonly Uint8Array[]
  tlsIntermediateCerts: readonly Uint8Array[]
  fabricNodeOus: NodeOus | undefined
}
export const FabricMspConfig: Message<FabricMspConfig> = message('FabricMSPConfig', {
  name: string(1),
  rootCerts: repeatedBytes(2),
  intermediateCerts: repeatedBytes(3),
  admins: repeatedBytes(4),
  revocationList: repeatedBytes(5),
  organizationalUnitIdentifiers: repeatedNested(7, () => OuIdentifier),
  cryptoConfig: nested(8, () => CryptoConfig),
  tlsRootCerts: repeatedBytes(9),
  tlsIntermediateCerts: repeatedBytes(10),
  fabricNodeOus: nested(11, () => NodeOus),
})
