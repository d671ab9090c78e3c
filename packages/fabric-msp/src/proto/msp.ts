import {
  bool,
  bytes,
  bytesList,
  choice,
  int32,
  int64,
  type Message,
  type MessageType,
  messageType,
  nested,
  nestedList,
  text,
} from './message.ts'

/** `msp.SerializedIdentity`. */
export interface SerializedIdentity extends Message {
  readonly mspid: string
  readonly idBytes: Uint8Array
}

/** {@link SerializedIdentity} on the wire. */
export const serializedIdentity: MessageType<SerializedIdentity> = messageType('msp.SerializedIdentity', {
  mspid: text(1),
  idBytes: bytes(2),
})

/** `common.MSPPrincipal`: what the principal's bytes hold, its classification says. */
export interface PrincipalMessage extends Message {
  /** 0 role, 1 organization unit, 2 identity, 3 anonymity, 4 combined. */
  readonly principalClassification: number
  readonly principal: Uint8Array
}

/** `common.MSPRole`. */
export interface RoleMessage extends Message {
  readonly mspIdentifier: string
  /** 0 member, 1 admin, 2 client, 3 peer, 4 orderer. */
  readonly role: number
}

/** `MSPRole.MSPRoleType` by number. */
export const ROLE_NAMES: readonly string[] = ['MEMBER', 'ADMIN', 'CLIENT', 'PEER', 'ORDERER']

/** {@link RoleMessage} on the wire. */
export const roleMessage: MessageType<RoleMessage> = messageType('common.MSPRole', { mspIdentifier: text(1), role: choice(2, ROLE_NAMES) })

interface OrganizationUnitMessage extends Message {
  readonly mspIdentifier: string
  readonly organizationalUnitIdentifier: string
  readonly certifiersIdentifier: Uint8Array
}

const organizationUnitMessage: MessageType<OrganizationUnitMessage> = messageType('common.OrganizationUnit', {
  mspIdentifier: text(1),
  organizationalUnitIdentifier: text(2),
  certifiersIdentifier: bytes(3),
})

/** {@link PrincipalMessage} on the wire. */
export const principalMessage: MessageType<PrincipalMessage> = messageType('common.MSPPrincipal', {
  principalClassification: choice(1, ['ROLE', 'ORGANIZATION_UNIT', 'IDENTITY', 'ANONYMITY', 'COMBINED']),
  principal: bytes(2, (principal) => [roleMessage, organizationUnitMessage, serializedIdentity][Number(principal.principalClassification)]),
})

/** `msp.MSPConfig`. */
export interface MspConfig extends Message {
  /** 0 X.509, 1 Idemix. */
  readonly type: number
  readonly config: Uint8Array
}

/** `msp.FabricOUIdentifier`. */
export interface OuIdentifier extends Message {
  readonly certificate: Uint8Array
  readonly organizationalUnitIdentifier: string
}

/** `msp.FabricNodeOUs`. */
export interface NodeOus extends Message {
  readonly enable: boolean
  readonly clientOuIdentifier: OuIdentifier | undefined
  readonly peerOuIdentifier: OuIdentifier | undefined
  readonly adminOuIdentifier: OuIdentifier | undefined
  readonly ordererOuIdentifier: OuIdentifier | undefined
}

/** `msp.FabricCryptoConfig`. */
export interface CryptoConfig extends Message {
  readonly signatureHashFamily: string
  readonly identityIdentifierHashFunction: string
}

interface KeyInfo extends Message {
  readonly keyIdentifier: string
  readonly keyMaterial: Uint8Array
}

interface SigningIdentityInfo extends Message {
  readonly publicSigner: Uint8Array
  readonly privateSigner: KeyInfo | undefined
}

/** `msp.FabricMSPConfig`: certificates in PEM. */
export interface FabricMspConfig extends Message {
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

const ouIdentifier: MessageType<OuIdentifier> = messageType('msp.FabricOUIdentifier', {
  certificate: bytes(1),
  organizationalUnitIdentifier: text(2),
})

const nodeOus: MessageType<NodeOus> = messageType('msp.FabricNodeOUs', {
  enable: bool(1),
  clientOuIdentifier: nested(2, () => ouIdentifier),
  peerOuIdentifier: nested(3, () => ouIdentifier),
  adminOuIdentifier: nested(4, () => ouIdentifier),
  ordererOuIdentifier: nested(5, () => ouIdentifier),
})

const cryptoConfig: MessageType<CryptoConfig> = messageType('msp.FabricCryptoConfig', {
  signatureHashFamily: text(1),
  identityIdentifierHashFunction: text(2),
})

const keyInfo: MessageType<KeyInfo> = messageType('msp.KeyInfo', { keyIdentifier: text(1), keyMaterial: bytes(2) })

const signingIdentityInfo: MessageType<SigningIdentityInfo> = messageType('msp.SigningIdentityInfo', {
  publicSigner: bytes(1),
  privateSigner: nested(2, () => keyInfo),
})

/** {@link FabricMspConfig} on the wire. */
export const fabricMspConfig: MessageType<FabricMspConfig> = messageType('msp.FabricMSPConfig', {
  name: text(1),
  rootCerts: bytesList(2),
  intermediateCerts: bytesList(3),
  admins: bytesList(4),
  revocationList: bytesList(5),
  signingIdentity: nested(6, () => signingIdentityInfo),
  organizationalUnitIdentifiers: nestedList(7, () => ouIdentifier),
  cryptoConfig: nested(8, () => cryptoConfig),
  tlsRootCerts: bytesList(9),
  tlsIntermediateCerts: bytesList(10),
  fabricNodeOus: nested(11, () => nodeOus),
})

interface IdemixSigner extends Message {
  readonly cred: Uint8Array
  readonly sk: Uint8Array
  readonly organizationalUnitIdentifier: string
  readonly role: number
  readonly enrollmentId: string
  readonly credentialRevocationInformation: Uint8Array
}

interface IdemixMspConfig extends Message {
  readonly name: string
  readonly ipk: Uint8Array
  readonly signer: IdemixSigner | undefined
  readonly revocationPk: Uint8Array
  readonly epoch: bigint
}

const idemixSigner: MessageType<IdemixSigner> = messageType('msp.IdemixMSPSignerConfig', {
  cred: bytes(1),
  sk: bytes(2),
  organizationalUnitIdentifier: text(3),
  role: int32(4),
  enrollmentId: text(5),
  credentialRevocationInformation: bytes(6),
})

const idemixMspConfig: MessageType<IdemixMspConfig> = messageType('msp.IdemixMSPConfig', {
  name: text(1),
  ipk: bytes(2),
  signer: nested(3, () => idemixSigner),
  revocationPk: bytes(4),
  epoch: int64(5),
})

/** {@link MspConfig} on the wire. */
export const mspConfig: MessageType<MspConfig> = messageType('msp.MSPConfig', {
  type: int32(1),
  config: bytes(2, (config) => [fabricMspConfig, idemixMspConfig][Number(config.type)]),
})
