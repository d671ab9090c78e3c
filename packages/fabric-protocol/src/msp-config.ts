import { bool, bytes, int32, int64, type Message, message, nested, repeatedBytes, repeatedNested, string } from './message.ts'

/** `common.MSPPrincipal`: what the principal's bytes hold, its classification says. */
export interface MspPrincipalMessage {
  /** 0 role, 1 organization unit, 2 identity, 3 anonymity, 4 combined. */
  readonly principalClassification: number
  readonly principal: Uint8Array
}

/** `common.MSPRole`. */
export interface MspRoleMessage {
  readonly mspIdentifier: string
  /** 0 member, 1 admin, 2 client, 3 peer, 4 orderer. */
  readonly role: number
}

/** `MSPRole.MSPRoleType` by number. */
export const ROLE_NAMES: readonly string[] = ['MEMBER', 'ADMIN', 'CLIENT', 'PEER', 'ORDERER']

/** {@link MspRoleMessage} on the wire. */
export const MspRoleMessage: Message<MspRoleMessage> = message<MspRoleMessage>('common.MSPRole', {
  mspIdentifier: string(1),
  role: int32(2),
})

/** `common.OrganizationUnit`. */
export interface OrganizationUnitMessage {
  readonly mspIdentifier: string
  readonly organizationalUnitIdentifier: string
  readonly certifiersIdentifier: Uint8Array
}

/** {@link OrganizationUnitMessage} on the wire. */
export const OrganizationUnitMessage: Message<OrganizationUnitMessage> = message<OrganizationUnitMessage>('common.OrganizationUnit', {
  mspIdentifier: string(1),
  organizationalUnitIdentifier: string(2),
  certifiersIdentifier: bytes(3),
})

/** {@link MspPrincipalMessage} on the wire. */
export const MspPrincipalMessage: Message<MspPrincipalMessage> = message<MspPrincipalMessage>('common.MSPPrincipal', {
  principalClassification: int32(1),
  principal: bytes(2),
})

/** `common.MSPIdentityAnonymity`. */
export interface AnonymityMessage {
  /** 0 nominal, 1 anonymous. */
  readonly anonymityType: number
}

/** {@link AnonymityMessage} on the wire. */
export const AnonymityMessage: Message<AnonymityMessage> = message<AnonymityMessage>('common.MSPIdentityAnonymity', {
  anonymityType: int32(1),
})

/** `common.CombinedPrincipal`. */
export interface CombinedPrincipalMessage {
  readonly principals: readonly MspPrincipalMessage[]
}

/** {@link CombinedPrincipalMessage} on the wire. */
export const CombinedPrincipalMessage: Message<CombinedPrincipalMessage> = message<CombinedPrincipalMessage>('common.CombinedPrincipal', {
  principals: repeatedNested(1, () => MspPrincipalMessage),
})

/** `msp.MSPConfig`. */
export interface MspConfig {
  /** 0 X.509, 1 Idemix. */
  readonly type: number
  readonly config: Uint8Array
}

/** `msp.FabricOUIdentifier`. */
export interface OuIdentifier {
  readonly certificate: Uint8Array
  readonly organizationalUnitIdentifier: string
}

/** `msp.FabricNodeOUs`. */
export interface NodeOus {
  readonly enable: boolean
  readonly clientOuIdentifier: OuIdentifier | undefined
  readonly peerOuIdentifier: OuIdentifier | undefined
  readonly adminOuIdentifier: OuIdentifier | undefined
  readonly ordererOuIdentifier: OuIdentifier | undefined
}

/** `msp.FabricCryptoConfig`. */
export interface CryptoConfig {
  readonly signatureHashFamily: string
  readonly identityIdentifierHashFunction: string
}

/** `msp.KeyInfo`. */
export interface KeyInfo {
  readonly keyIdentifier: string
  readonly keyMaterial: Uint8Array
}

/** `msp.SigningIdentityInfo`. */
export interface SigningIdentityInfo {
  readonly publicSigner: Uint8Array
  readonly privateSigner: KeyInfo | undefined
}

/** `msp.FabricMSPConfig`: certificates in PEM. */
export interface FabricMspConfig {
  readonly name: string
  readonly rootCerts: readonly Uint8Array[]
  readonly intermediateCerts: readonly Uint8Array[]
  readonly admins: readonly Uint8Array[]
  readonly revocationList: readonly Uint8Array[]
  readonly signingIdentity: SigningIdentityInfo | undefined
  readonly organizationalUnitIdentifiers: readonly OuIdentifier[]
  readonly cryptoConfig: CryptoConfig | undefined
  readonly tlsRootCerts: readonly Uint8Array[]
  readonly tlsIntermediateCerts: readonly Uint8Array[]
  readonly fabricNodeOus: NodeOus | undefined
}

/** {@link OuIdentifier} on the wire. */
export const OuIdentifier: Message<OuIdentifier> = message<OuIdentifier>('msp.FabricOUIdentifier', {
  certificate: bytes(1),
  organizationalUnitIdentifier: string(2),
})

/** {@link NodeOus} on the wire. */
export const NodeOus: Message<NodeOus> = message<NodeOus>('msp.FabricNodeOUs', {
  enable: bool(1),
  clientOuIdentifier: nested(2, () => OuIdentifier),
  peerOuIdentifier: nested(3, () => OuIdentifier),
  adminOuIdentifier: nested(4, () => OuIdentifier),
  ordererOuIdentifier: nested(5, () => OuIdentifier),
})

/** {@link CryptoConfig} on the wire. */
export const CryptoConfig: Message<CryptoConfig> = message<CryptoConfig>('msp.FabricCryptoConfig', {
  signatureHashFamily: string(1),
  identityIdentifierHashFunction: string(2),
})

/** {@link KeyInfo} on the wire. */
export const KeyInfo: Message<KeyInfo> = message<KeyInfo>('msp.KeyInfo', { keyIdentifier: string(1), keyMaterial: bytes(2) })

/** {@link SigningIdentityInfo} on the wire. */
export const SigningIdentityInfo: Message<SigningIdentityInfo> = message<SigningIdentityInfo>('msp.SigningIdentityInfo', {
  publicSigner: bytes(1),
  privateSigner: nested(2, () => KeyInfo),
})

/** {@link FabricMspConfig} on the wire. */
export const FabricMspConfig: Message<FabricMspConfig> = message<FabricMspConfig>('msp.FabricMSPConfig', {
  name: string(1),
  rootCerts: repeatedBytes(2),
  intermediateCerts: repeatedBytes(3),
  admins: repeatedBytes(4),
  revocationList: repeatedBytes(5),
  signingIdentity: nested(6, () => SigningIdentityInfo),
  organizationalUnitIdentifiers: repeatedNested(7, () => OuIdentifier),
  cryptoConfig: nested(8, () => CryptoConfig),
  tlsRootCerts: repeatedBytes(9),
  tlsIntermediateCerts: repeatedBytes(10),
  fabricNodeOus: nested(11, () => NodeOus),
})

/** `msp.IdemixMSPSignerConfig`. */
export interface IdemixSigner {
  readonly cred: Uint8Array
  readonly sk: Uint8Array
  readonly organizationalUnitIdentifier: string
  readonly role: number
  readonly enrollmentId: string
  readonly credentialRevocationInformation: Uint8Array
}

/** `msp.IdemixMSPConfig`. */
export interface IdemixMspConfig {
  readonly name: string
  readonly ipk: Uint8Array
  readonly signer: IdemixSigner | undefined
  readonly revocationPk: Uint8Array
  readonly epoch: bigint
}

/** {@link IdemixSigner} on the wire. */
export const IdemixSigner: Message<IdemixSigner> = message<IdemixSigner>('msp.IdemixMSPSignerConfig', {
  cred: bytes(1),
  sk: bytes(2),
  organizationalUnitIdentifier: string(3),
  role: int32(4),
  enrollmentId: string(5),
  credentialRevocationInformation: bytes(6),
})

/** {@link IdemixMspConfig} on the wire. */
export const IdemixMspConfig: Message<IdemixMspConfig> = message<IdemixMspConfig>('msp.IdemixMSPConfig', {
  name: string(1),
  ipk: bytes(2),
  signer: nested(3, () => IdemixSigner),
  revocationPk: bytes(4),
  epoch: int64(5),
})

/** {@link MspConfig} on the wire. */
export const MspConfig: Message<MspConfig> = message<MspConfig>('msp.MSPConfig', {
  type: int32(1),
  config: bytes(2),
})
