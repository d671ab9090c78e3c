import {
  type ChannelBundle,
  channelBundle,
  channelMsp,
  decodeSignaturePolicy,
  printPolicy,
  readConfigTransaction,
} from '@kumiko/fabric-msp'
import {
  type Block,
  blockHash,
  ChaincodeHeaderExtension,
  type CommonHeader,
  Config,
  ConfigEnvelope,
  type ConfigGroup,
  type ConfigPolicy,
  ConfigUpdate,
  ConfigUpdateEnvelope,
  dataHash,
  equalBytes,
  HeaderType,
  ImplicitMetaMessage,
  openEnvelope,
  type Payload,
  POLICY_TYPE,
  RaftMetadata,
  RULE_NAMES,
  readBlock,
  readBlockSignatures,
  readCommitHash,
  readHeader,
  readLastConfigIndex,
  readTransactionsFilter,
  SerializedIdentity,
  toHex,
  validationCodeName,
} from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'
import { printable } from '@kumiko/terminal'
import { listing } from '../output.ts'
import type { RECOGNIZED } from './recognized.ts'

type Pairs = (readonly [string, string])[]

/** What a message says, for a person: a line each. @param bytes - Of a message of the type; what is damaged in it is told as such. */
export function describe(type: (typeof RECOGNIZED)[number], bytes: Uint8Array): string[] {
  return listing([['kind', type.replace('common.', '')], ...PAIRS[type](bytes)]).map(printable)
}

const PAIRS: Readonly<Record<(typeof RECOGNIZED)[number], (bytes: Uint8Array) => Pairs>> = {
  'common.Block': (bytes) => orFault(readBlock(bytes), blockPairs),
  'common.Envelope': envelopePairs,
  'common.ConfigUpdateEnvelope': (bytes) =>
    orFault(ConfigUpdateEnvelope.decode(bytes), (outer) => [
      ...outer.signatures.map((signature) => ['signed by', signerOf(signature.signatureHeader)] as const),
      ...updatePairs(outer.configUpdate),
    ]),
  'common.ConfigUpdate': updatePairs,
  'common.ConfigEnvelope': (bytes) => orFault(ConfigEnvelope.decode(bytes), (envelope) => configEnvelopePairs('', envelope)),
  'common.Config': (bytes) => orFault(Config.decode(bytes), (value) => configPairs('', value)),
}

function orFault<T extends object>(read: T | Fault, pairs: (value: T) => Pairs): Pairs {
  return isFault(read) ? [['damaged', read.detail ?? read.fault]] : pairs(read)
}

function blockPairs(block: Block): Pairs {
  const { header, data } = block
  const filter = readTransactionsFilter(block)
  const isRight = equalBytes(dataHash(data), header.dataHash)
  const commitHash = readCommitHash(block)
  const lastConfig = readLastConfigIndex(block)
  return [
    ['number', String(header.number)],
    ['hash', toHex(blockHash(header))],
    ['previous hash', toHex(header.previousHash) || 'none'],
    ['data hash', `${toHex(header.dataHash)}${isRight ? '' : ' (WRONG: the transactions do not hash to it)'}`],
    ['last config', isFault(lastConfig) ? 'unsaid' : `block ${lastConfig}`],
    ...orFault(readBlockSignatures(block), (signatures): Pairs => signatures.map(({ signer }) => ['signed by', signerName(signer)])),
    ...(commitHash instanceof Uint8Array ? [['commit hash', toHex(commitHash)] as const] : []),
    ['transactions', String(data.length)],
    ...data.flatMap((bytes, index) => transactionPairs(bytes, index, filter?.[index])),
    ...(data[0] === undefined
      ? []
      : orNothing(readConfigTransaction(data[0]), ({ channelId, envelope }) => configEnvelopePairs(channelId, envelope))),
  ]
}

function orNothing<T extends object>(read: T | Fault, pairs: (value: T) => Pairs): Pairs {
  return isFault(read) ? [] : pairs(read)
}

type BlockSigner = Exclude<ReturnType<typeof readBlockSignatures>, Fault>[number]['signer']

function signerName(signer: BlockSigner): string {
  return signer.by === 'consenter' ? `consenter ${signer.identifier}` : mspOf(signer.identity)
}

function signerOf(signatureHeader: Uint8Array): string {
  const header = readHeader({ header: { channelHeader: new Uint8Array(), signatureHeader }, data: new Uint8Array() })
  return isFault(header) ? 'nobody who can be read' : mspOf(header.signature.creator)
}

function mspOf(identity: Uint8Array): string {
  const read = SerializedIdentity.decode(identity)
  return isFault(read) ? 'nobody who can be read' : read.mspId
}

interface Opened {
  readonly payload: Payload
  readonly header: CommonHeader
}

function open(bytes: Uint8Array): Opened | Fault {
  const payload = openEnvelope(bytes)
  if (isFault(payload)) return payload
  const header = readHeader(payload)
  return isFault(header) ? header : { payload, header }
}

function transactionPairs(bytes: Uint8Array, index: number, code: number | undefined): Pairs {
  const opened = open(bytes)
  const verdict = code === undefined ? '' : `${validationCodeName(code) ?? code}, `
  if (isFault(opened)) return [[`  ${index}`, `${verdict}damaged: ${opened.detail ?? opened.fault}`]]
  const { header } = opened
  const { type, txId } = header.channel
  const creator = header.signature.creator.length === 0 ? '' : `of ${mspOf(header.signature.creator)}`
  const words = [typeName(type), txId, creator].filter((word) => word !== '').join(' ')
  return [[`  ${index}`, `${verdict}${words}${type === HeaderType.endorserTransaction ? `, chaincode ${chaincodeOf(header)}` : ''}`]]
}

function chaincodeOf(header: CommonHeader): string {
  const extension = ChaincodeHeaderExtension.decode(header.channel.extension)
  return isFault(extension) ? 'unsaid' : (extension.chaincodeId?.name ?? 'unsaid')
}

const TYPE_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(HeaderType).map(([name, type]) => [type, name.replaceAll(/[A-Z]/g, '_$&').toUpperCase()]),
)

function typeName(type: number): string {
  return TYPE_NAMES.get(type) ?? `type ${type}`
}

function envelopePairs(bytes: Uint8Array): Pairs {
  return orFault(open(bytes), ({ payload, header }) => {
    const { channel } = header
    return [
      ['type', typeName(channel.type)],
      ['channel', channel.channelId],
      ['transaction', channel.txId || 'none'],
      ['creator', header.signature.creator.length === 0 ? 'none' : mspOf(header.signature.creator)],
      ...(channel.type === HeaderType.endorserTransaction ? [['chaincode', chaincodeOf(header)] as const] : []),
      ...(channel.type === HeaderType.config
        ? orFault(ConfigEnvelope.decode(payload.data), (envelope) => configEnvelopePairs(channel.channelId, envelope))
        : []),
      ...(channel.type === HeaderType.configUpdate ? PAIRS['common.ConfigUpdateEnvelope'](payload.data) : []),
    ]
  })
}

function configEnvelopePairs(channelId: string, envelope: ConfigEnvelope): Pairs {
  return envelope.config === undefined ? [['damaged', 'there is no config']] : configPairs(channelId, envelope.config)
}

/** Any channel's: a bundle needs a name, which a `Config` alone does not have. */
const NO_CHANNEL = 'unsaid'

function configPairs(channelId: string, value: Config): Pairs {
  const bundle = channelBundle(channelId || NO_CHANNEL, value, channelMsp)
  return [
    ...(channelId === '' ? [] : [['channel', channelId] as const]),
    ['sequence', String(value.sequence)],
    ...(isFault(bundle) ? [['refused', bundle.detail ?? bundle.fault] as const] : bundlePairs(bundle)),
    ...(value.channelGroup === undefined ? [] : policyPairs('/Channel', value.channelGroup)),
  ]
}

function bundlePairs({ capabilities, orderer, application, ordererAddresses }: ChannelBundle): Pairs {
  return [
    ['capabilities', namesOf(capabilities)],
    ...(ordererAddresses.length === 0 ? [] : [['orderers', ordererAddresses.join(', ')] as const]),
    ...(orderer === undefined ? [] : ordererPairs(orderer)),
    ...(application === undefined ? [] : applicationPairs(application)),
  ]
}

function namesOf(names: ReadonlySet<string>): string {
  return [...names].join(', ') || 'none'
}

function ordererPairs(orderer: NonNullable<ChannelBundle['orderer']>): Pairs {
  const { batchSize, batchTimeoutMs, consensus } = orderer
  const size = `${batchSize.maxMessageCount} transactions, ${batchSize.preferredMaxBytes} bytes (at most ${batchSize.absoluteMaxBytes})`
  const raft = consensus.type === 'etcdraft' ? RaftMetadata.decode(consensus.metadata) : undefined
  const consenters = raft === undefined || isFault(raft) ? orderer.consenters : raft.consenters
  return [
    ['ordering', `${consensus.type}; capabilities ${namesOf(orderer.capabilities)}`],
    ['batch', `${size}, ${batchTimeoutMs} ms`],
    ...consenters.map(({ host, port }) => ['consenter', `${host}:${port}`] as const),
    ...[...orderer.organizations.values()].map(
      ({ name, mspId, endpoints }) => ['orderer org', [`${name} (${mspId})`, ...endpoints].join(', ')] as const,
    ),
  ]
}

function applicationPairs({ capabilities, organizations, acls }: NonNullable<ChannelBundle['application']>): Pairs {
  return [
    ['application', `capabilities ${namesOf(capabilities)}`],
    ...[...organizations.values()].map(({ name, mspId, anchorPeers }) => {
      const anchors = anchorPeers.map(({ host, port }) => `anchor ${host}:${port}`)
      return ['organization', [`${name} (${mspId})`, ...anchors].join(', ')] as const
    }),
    ...[...acls].map(([resource, policy]) => ['ACL', `${resource}: ${policy}`] as const),
  ]
}

function policyPairs(path: string, group: ConfigGroup): Pairs {
  return [
    ...[...group.policies].sort().map(([name, policy]) => ['policy', `${path}/${name}: ${policyText(policy)}`] as const),
    ...[...group.groups].sort().flatMap(([name, inner]) => policyPairs(`${path}/${name}`, inner)),
  ]
}

function policyText({ policy }: ConfigPolicy): string {
  if (policy?.type === POLICY_TYPE.signature) {
    const decoded = decodeSignaturePolicy(policy.value)
    const text = isFault(decoded) ? decoded : printPolicy(decoded)
    return isFault(text) ? `signature policy (${text.detail ?? text.fault})` : text
  }
  return policy?.type === POLICY_TYPE.implicitMeta ? implicitText(policy.value) : `of type ${policy?.type ?? 'none'}`
}

function implicitText(value: Uint8Array): string {
  const decoded = ImplicitMetaMessage.decode(value)
  return isFault(decoded) ? 'damaged' : `${RULE_NAMES[decoded.rule] ?? decoded.rule} ${decoded.subPolicy}`
}

function updatePairs(bytes: Uint8Array): Pairs {
  return orFault(ConfigUpdate.decode(bytes), ({ channelId, readSet, writeSet }) => [
    ['channel', channelId],
    ...changePairs('/Channel', readSet, writeSet),
  ])
}

/** What a read set holds at a place, as far as versions go. */
interface Versioned {
  readonly version: bigint
}

function changePairs(path: string, before: ConfigGroup | undefined, after: ConfigGroup | undefined): Pairs {
  if (after === undefined) return []
  // A new element has version 0; one that changes has its next, and is read where it has members.
  const change = (kind: string, name: string, old: Versioned | undefined, { version }: Versioned): Pairs =>
    old?.version === version ? [] : [['change', `${kind} ${name}: ${version === 0n ? 'new' : `version ${version - 1n} → ${version}`}`]]
  return [
    ...change('group', path, before, after),
    ...[...after.values].flatMap(([name, value]) => change('value', `${path}/${name}`, before?.values.get(name), value)),
    ...[...after.policies].flatMap(([name, policy]) => change('policy', `${path}/${name}`, before?.policies.get(name), policy)),
    ...[...after.groups].flatMap(([name, group]) => changePairs(`${path}/${name}`, before?.groups.get(name), group)),
  ]
}
