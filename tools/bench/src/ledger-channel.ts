import 'reflect-metadata'
import { createPublicKey, type KeyObject, webcrypto } from 'node:crypto'
import { type ChaincodeDefinition, definitionRecord, recordWrites } from '@kumiko/fabric-lifecycle'
import {
  createSigner,
  genesisBlock,
  type IdentitySigner,
  type OrganizationProfile,
  type PolicyProfile,
  parsePolicy,
  X509Msp,
} from '@kumiko/fabric-msp'
import {
  ApplicationPolicyMessage,
  assembleTransaction,
  type Block,
  BlockMetadataIndex,
  blockHash,
  blockHeaderBytes,
  buildProposal,
  buildReadWriteSets,
  ChaincodeAction,
  concatBytes,
  dataHash,
  type Endorsement,
  Envelope,
  endorse,
  endorsementMessage,
  FabricMspConfig,
  Header,
  Metadata,
  OrdererBlockMetadata,
  ProposalResponsePayload,
  proposalHash,
  readBlock,
  SignatureHeader,
  type SimulatedNamespace,
  withMetadata,
  writeReadWriteSet,
} from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'
import * as x509 from '@peculiar/x509'

/** Transactions a block. */
export const BLOCK_SIZE = 500

/** Accounts that the transactions move something between: each is written again after half as many transactions. */
const ACCOUNTS = 20_000

const CHANNEL = 'bench'
const CHAINCODE = 'accounts'

/** One signature to check: what a committer cannot do without. */
export interface SignatureCheck {
  readonly key: KeyObject
  readonly message: Uint8Array
  /** DER. */
  readonly signature: Uint8Array
}

/** A block as an orderer delivers it. */
export interface MadeBlock {
  readonly block: Block
  /** Of its transactions' creators and endorsers, and its own. */
  readonly checks: readonly SignatureCheck[]
}

/** A channel of two organisations with a chaincode, made block by block. */
export interface BenchChannel {
  /** Blocks 0 and 1: the configuration, and the chaincode's definition. */
  readonly first: readonly Block[]
  /** The next block of {@link BLOCK_SIZE} valid transactions of about 4 KB. */
  next(): MadeBlock
}

/** @param endorsements - A transaction's: one of either organisation, or one of each. */
export async function makeChannel(endorsements: 1 | 2): Promise<BenchChannel> {
  const [orderer, ...peers] = [await organization('Orderer'), await organization('Org1'), await organization('Org2')]
  const genesis = unwrap(readBlock(genesisBlock(CHANNEL, profileOf(orderer, peers), { nonce: nonceOf(0), seconds: 1_795_229_810n })))
  const maker = new Maker(orderer, peers, endorsements)
  const definition = maker.block(genesis, [maker.definition()])
  let last = definition.block
  return {
    first: [genesis, definition.block],
    next: () => {
      const made = maker.block(
        last,
        Array.from({ length: BLOCK_SIZE }, () => maker.transfer()),
      )
      last = made.block
      return made
    },
  }
}

/** Blocks that are made at once, before they are taken in. */
export const MANY = 8

/** The next blocks, with nothing left over from making them for the collector to find later. */
export function manyBlocks(channel: BenchChannel): readonly MadeBlock[] {
  const blocks = Array.from({ length: MANY }, () => channel.next())
  globalThis.gc?.()
  return blocks
}

interface Member extends IdentitySigner {
  readonly key: KeyObject
}

interface Organization {
  readonly profile: OrganizationProfile
  readonly mspId: string
  readonly peer: Member
  readonly client: Member
}

interface Made {
  readonly bytes: Uint8Array
  readonly checks: readonly SignatureCheck[]
}

class Maker {
  readonly #orderer: Organization
  readonly #peers: readonly Organization[]
  readonly #endorsements: 1 | 2
  #transfers = 0
  #nonces = 1

  constructor(orderer: Organization, peers: readonly Organization[], endorsements: 1 | 2) {
    this.#orderer = orderer
    this.#peers = peers
    this.#endorsements = endorsements
  }

  /** Both organisations define the chaincode, as `peer lifecycle chaincode commit` does. */
  definition(): Made {
    const rule = this.#endorsements === 1 ? "OR('Org1MSP.peer', 'Org2MSP.peer')" : "AND('Org1MSP.peer', 'Org2MSP.peer')"
    const policy = { signaturePolicy: parsePolicy(rule), channelConfigPolicyReference: undefined }
    const definition: ChaincodeDefinition = {
      sequence: 1n,
      endorsementInfo: { version: '1.0', initRequired: false, endorsementPlugin: 'escc' },
      validationInfo: { validationPlugin: 'vscc', validationParameter: ApplicationPolicyMessage.encode(policy) },
      collections: { config: [] },
    }
    const writes = unwrap(recordWrites(definitionRecord(CHAINCODE, definition), () => undefined))
    return this.#transaction('_lifecycle', [namespaceOf('_lifecycle', { writes })], this.#peers)
  }

  /** Reads two accounts and writes them; what it read is what the last such transfer wrote. */
  transfer(): Made {
    const number = this.#transfers++
    const before = number - ACCOUNTS / 2
    const version =
      before < 0 ? undefined : { blockNumber: BigInt(2 + Math.floor(before / BLOCK_SIZE)), transactionNumber: BigInt(before % BLOCK_SIZE) }
    const keys = [0, 1].map((side) => `account_${String((2 * number + side) % ACCOUNTS).padStart(8, '0')}`)
    const value = Buffer.from(JSON.stringify({ docType: 'account', balance: number, owner: 'x'.repeat(64), history: 'y'.repeat(250) }))
    const namespaces = [
      namespaceOf('_lifecycle', { reads: [{ key: `namespaces/fields/${CHAINCODE}/Sequence`, version: FIRST }] }),
      namespaceOf(CHAINCODE, {
        reads: keys.map((key) => ({ key, version })),
        writes: keys.map((key) => ({ key, value })),
      }),
    ]
    const endorsers = this.#endorsements === 2 ? this.#peers : this.#peers.filter((_, index) => index === number % 2)
    return this.#transaction(CHAINCODE, namespaces, endorsers)
  }

  block(before: Block, transactions: readonly Made[]): MadeBlock {
    const data = transactions.map(({ bytes }) => bytes)
    const header = { number: before.header.number + 1n, previousHash: blockHash(before.header), dataHash: dataHash(data) }
    const value = OrdererBlockMetadata.encode({ lastConfig: { index: 0n }, consenterMetadata: new Uint8Array() })
    const { peer } = this.#orderer
    const signatureHeader = SignatureHeader.encode({ creator: peer.creator, nonce: this.#nonce() })
    const check = checkOf(peer, concatBytes([value, signatureHeader, blockHeaderBytes(header)]))
    const signatures = [{ signatureHeader, signature: check.signature, identifierHeader: new Uint8Array() }]
    const block = withMetadata({ header, data, metadata: [] }, BlockMetadataIndex.signatures, Metadata.encode({ value, signatures }))
    return { block, checks: [...transactions.flatMap(({ checks }) => checks), check] }
  }

  #transaction(chaincode: string, namespaces: readonly SimulatedNamespace[], endorsers: readonly Organization[]): Made {
    const [{ client }] = [this.#peers[0] ?? this.#orderer]
    const request = {
      channelId: CHANNEL,
      chaincode,
      args: ['transfer', 'account_1', 'account_2', '100'].map((text) => Buffer.from(text)),
      nonce: this.#nonce(),
      timestamp: { seconds: 1_795_229_900n, nanos: 0 },
    }
    const { proposal } = buildProposal(request, client.creator)
    const extension = ChaincodeAction.encode({
      results: writeReadWriteSet(buildReadWriteSets(namespaces).public),
      events: new Uint8Array(),
      response: { status: 200, message: '', payload: Buffer.from('done') },
      chaincodeId: { path: '', name: chaincode, version: chaincode === CHAINCODE ? '1.0' : 'syscc' },
    })
    const hash = proposalHash(unwrap(Header.decode(proposal.header)), proposal.payload)
    const response = ProposalResponsePayload.encode({ proposalHash: hash, extension })
    const endorsements = endorsers.map(({ peer }): Endorsement => endorse(response, peer))
    const payload = unwrap(assembleTransaction(proposal, response, endorsements))
    const creator = checkOf(client, payload)
    return {
      bytes: Envelope.encode({ payload, signature: creator.signature }),
      checks: [
        creator,
        ...endorsers.map(({ peer }, index) => ({
          key: peer.key,
          message: endorsementMessage(response, peer.creator),
          signature: endorsements[index]?.signature ?? new Uint8Array(),
        })),
      ],
    }
  }

  #nonce(): Uint8Array {
    return nonceOf(this.#nonces++)
  }
}

const FIRST = { blockNumber: 1n, transactionNumber: 0n }

function namespaceOf(namespace: string, parts: Partial<SimulatedNamespace>): SimulatedNamespace {
  return { namespace, reads: [], rangeQueries: [], writes: [], metadataWrites: [], collections: [], ...parts }
}

function checkOf(member: Member, message: Uint8Array): SignatureCheck {
  return { key: member.key, message, signature: member.sign(message) }
}

/** As long as Fabric's, and different. */
function nonceOf(number: number): Uint8Array {
  const nonce = Buffer.alloc(24)
  nonce.writeUInt32BE(number, 20)
  return new Uint8Array(nonce)
}

const implicit = (rule: string): PolicyProfile => ({ type: 'ImplicitMeta', rule })
const signature = (rule: string): PolicyProfile => ({ type: 'Signature', rule })
const STANDARD = { Readers: implicit('ANY Readers'), Writers: implicit('ANY Writers'), Admins: implicit('MAJORITY Admins') }

function profileOf(orderer: Organization, peers: readonly Organization[]) {
  const majority = implicit('MAJORITY Endorsement')
  return {
    policies: STANDARD,
    orderer: {
      policies: { ...STANDARD, BlockValidation: implicit('ANY Writers') },
      organizations: [orderer.profile],
      batchSize: { maxMessageCount: BLOCK_SIZE, absoluteMaxBytes: 99_000_000, preferredMaxBytes: 8_000_000 },
      batchTimeout: '2s',
      consensus: { type: 'solo' as const },
      addresses: ['127.0.0.1:7050'],
    },
    application: {
      policies: { ...STANDARD, LifecycleEndorsement: majority, Endorsement: majority },
      organizations: peers.map(({ profile }) => profile),
    },
  }
}

x509.cryptoProvider.set(webcrypto as Crypto)

/** An organisation with NodeOUs, as `cryptogen` makes them: a CA, a peer (or orderer) and a client. */
async function organization(name: string): Promise<Organization> {
  const mspId = `${name}MSP`
  const ca = await issue(`ca.${name}`, [])
  const root = pemBytes(ca.certificate)
  const unit = (organizationalUnitIdentifier: string) => ({ certificate: root, organizationalUnitIdentifier })
  const fabricNodeOus = {
    enable: true,
    clientOuIdentifier: unit('client'),
    peerOuIdentifier: unit('peer'),
    adminOuIdentifier: unit('admin'),
    ordererOuIdentifier: unit('orderer'),
  }
  const config = FabricMspConfig.create({
    name: mspId,
    rootCerts: [root],
    cryptoConfig: { signatureHashFamily: 'SHA2', identityIdentifierHashFunction: 'SHA256' },
    fabricNodeOus,
  })
  const msp = unwrap(X509Msp.from(config, 'V1_4_3'))
  const member = `OR('${mspId}.member')`
  return {
    mspId,
    peer: await memberOf(msp, `node0.${name}`, name === 'Orderer' ? 'orderer' : 'peer', ca),
    client: await memberOf(msp, `User1.${name}`, 'client', ca),
    profile: {
      name,
      msp: config,
      policies: {
        Readers: signature(member),
        Writers: signature(member),
        Admins: signature(`OR('${mspId}.admin')`),
        Endorsement: signature(`OR('${mspId}.peer')`),
      },
    },
  }
}

interface Credential {
  readonly certificate: x509.X509Certificate
  readonly keys: webcrypto.CryptoKeyPair
}

async function memberOf(msp: X509Msp, name: string, unit: string, ca: Credential): Promise<Member> {
  const { certificate, keys } = await issue(name, [unit], ca)
  const identity = unwrap(msp.identityFrom(pemBytes(certificate)))
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey))
  const pem = `-----BEGIN PRIVATE KEY-----\n${pkcs8.toString('base64')}\n-----END PRIVATE KEY-----\n`
  return { ...createSigner(identity, pem), key: createPublicKey(certificate.publicKey.toString('pem')) }
}

let serial = 1

async function issue(name: string, units: readonly string[], issuer?: Credential): Promise<Credential> {
  const keys = await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
  const subject = new x509.Name([{ C: ['US'] }, { ST: ['California'] }, ...units.map((OU) => ({ OU: [OU] })), { CN: [name] }])
  const isCa = issuer === undefined
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: (serial++).toString(16).padStart(4, '0'),
    subject,
    issuer: issuer?.certificate.subjectName ?? subject,
    notBefore: new Date('2026-01-01T00:00:00Z'),
    notAfter: new Date('2046-01-01T00:00:00Z'),
    publicKey: keys.publicKey,
    signingKey: (issuer?.keys ?? keys).privateKey,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    extensions: [
      new x509.BasicConstraintsExtension(isCa, undefined, true),
      new x509.KeyUsagesExtension(isCa ? x509.KeyUsageFlags.keyCertSign : x509.KeyUsageFlags.digitalSignature, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ...(issuer === undefined ? [] : [await x509.AuthorityKeyIdentifierExtension.create(issuer.keys.publicKey)]),
    ],
  })
  return { certificate, keys }
}

function pemBytes(certificate: x509.X509Certificate): Uint8Array {
  return new TextEncoder().encode(`${certificate.toString('pem').trim()}\n`)
}

function unwrap<T extends object>(made: T | Fault): T {
  if (isFault(made)) throw new Error(`${made.fault}: ${made.detail ?? ''}`)
  return made
}
