import { isFault } from '@kumiko/interface'
import { BlockData } from './block.ts'
import { ChaincodeEvent, ChaincodeInvocationSpec, ChaincodeSpec } from './chaincode.ts'
import { Config, ConfigEnvelope, ConfigGroup, ConfigSignature, ConfigUpdate, ConfigUpdateEnvelope, ConfigValue } from './config.ts'
import { CONFIG_VALUES, scopeOfGroup } from './config-tree.ts'
import { Envelope, Payload } from './envelope.ts'
import { ChannelHeader, Header, HeaderType, SerializedIdentity, SignatureHeader } from './header.ts'
import { type Message, message } from './message.ts'
import {
  FabricMspConfig,
  IdemixMspConfig,
  MspConfig,
  MspPrincipalMessage,
  MspRoleMessage,
  OrganizationUnitMessage,
  ROLE_NAMES,
} from './msp-config.ts'
import { BftOptions, ConsensusType, RaftMetadata } from './orderer-config.ts'
import { ImplicitMetaMessage, POLICY_TYPE, PolicyMessage, RULE_NAMES, SignaturePolicyEnvelope } from './policy.ts'
import { ChaincodeHeaderExtension, ChaincodeProposalPayload, ProposalResponsePayload } from './proposal.ts'
import { CollectionHashedMessage, KVRWSet, NsReadWriteSet, TxReadWriteSet, Version } from './read-write-set.ts'
import { ChaincodeAction, ChaincodeActionPayload, ChaincodeEndorsedAction, Transaction, TransactionAction } from './transaction.ts'

/** What JSON shows of a field beyond what the wire tells. */
export interface JsonNote {
  /** The proto's name, where it is not the one here in snake case. */
  readonly name?: string
  /** Names of an enumeration, by number from 0. A number without one is shown as it is. */
  readonly names?: readonly string[]
  /** The message in a field of bytes, by the message around it and the scope it is in. */
  readonly holds?: (parent: Readonly<Record<string, unknown>>, scope: string) => Message<object> | undefined
  /** The scope of what is below, by the scope here and the key in a map. */
  readonly scope?: (scope: string, key: string) => string
}

type Notes = Readonly<Record<string, JsonNote>>

const Empty: Message<object> = message<object>('google.protobuf.Empty', {})

/** @returns The note on a field, empty where there is none. */
export function jsonNoteOf(type: Message<object>, field: string): JsonNote {
  return NOTES.get(type)?.[field] ?? NONE
}

const NONE: JsonNote = {}

/** As `configtxlator` opens bytes (`fabric-config/protolator/protoext`). */
const NOTES: ReadonlyMap<Message<object>, Notes> = new Map<Message<object>, Notes>([
  notes(BlockData, { data: { holds: () => Envelope } }),
  notes(Envelope, { payload: { holds: () => Payload } }),
  notes(Payload, { data: { holds: ({ header }) => payloadTypeOf(header) } }),
  notes(Header, { channelHeader: { holds: () => ChannelHeader }, signatureHeader: { holds: () => SignatureHeader } }),
  notes(ChannelHeader, {
    extension: { holds: ({ type }) => (type === HeaderType.endorserTransaction ? ChaincodeHeaderExtension : undefined) },
  }),
  notes(SignatureHeader, { creator: { holds: () => SerializedIdentity } }),
  notes(SerializedIdentity, { mspId: { name: 'mspid' } }),

  notes(Config, { channelGroup: { scope: () => 'Channel' } }),
  notes(ConfigUpdate, { readSet: { scope: () => 'Channel' }, writeSet: { scope: () => 'Channel' } }),
  notes(ConfigGroup, { groups: { scope: scopeOfGroup }, values: { scope: (scope, key) => `${scope}/${key}` } }),
  notes(ConfigValue, { value: { holds: (_, scope) => CONFIG_VALUES.get(scope) } }),
  notes(ConfigUpdateEnvelope, { configUpdate: { holds: () => ConfigUpdate } }),
  notes(ConfigSignature, { signatureHeader: { holds: () => SignatureHeader } }),
  notes(ConsensusType, {
    metadata: { holds: ({ type }) => (type === 'etcdraft' ? RaftMetadata : type === 'BFT' ? BftOptions : Empty) },
    state: { names: ['STATE_NORMAL', 'STATE_MAINTENANCE'] },
  }),
  notes(BftOptions, { leaderRotation: { names: ['ROTATION_UNSPECIFIED', 'ROTATION_OFF', 'ROTATION_ON'] } }),

  notes(PolicyMessage, { value: { holds: ({ type }) => policyTypeOf(type) } }),
  notes(ImplicitMetaMessage, { rule: { names: RULE_NAMES } }),
  notes(MspConfig, { config: { holds: ({ type }) => [FabricMspConfig, IdemixMspConfig][Number(type)] } }),
  notes(MspRoleMessage, { role: { names: ROLE_NAMES } }),
  notes(MspPrincipalMessage, {
    principalClassification: { names: ['ROLE', 'ORGANIZATION_UNIT', 'IDENTITY', 'ANONYMITY', 'COMBINED'] },
    principal: { holds: (of) => [MspRoleMessage, OrganizationUnitMessage, SerializedIdentity][Number(of.principalClassification)] },
  }),

  notes(TransactionAction, { header: { holds: () => SignatureHeader }, payload: { holds: () => ChaincodeActionPayload } }),
  notes(ChaincodeActionPayload, { chaincodeProposalPayload: { holds: () => ChaincodeProposalPayload } }),
  notes(ChaincodeProposalPayload, { input: { holds: () => ChaincodeInvocationSpec }, transientMap: { name: 'TransientMap' } }),
  notes(ChaincodeSpec, { type: { names: ['UNDEFINED', 'GOLANG', 'NODE', 'CAR', 'JAVA'] } }),
  notes(ChaincodeEndorsedAction, { proposalResponsePayload: { holds: () => ProposalResponsePayload } }),
  notes(ProposalResponsePayload, { extension: { holds: () => ChaincodeAction } }),
  notes(ChaincodeAction, { results: { holds: () => TxReadWriteSet }, events: { holds: () => ChaincodeEvent } }),
  notes(TxReadWriteSet, { dataModel: { names: ['KV'] }, namespaces: { name: 'ns_rwset' } }),
  notes(NsReadWriteSet, { rwset: { holds: () => KVRWSet }, collections: { name: 'collection_hashed_rwset' } }),
  notes(CollectionHashedMessage, { name: { name: 'collection_name' }, rwset: { name: 'hashed_rwset' } }),
  notes(Version, { blockNumber: { name: 'block_num' }, transactionNumber: { name: 'tx_num' } }),
])

function notes<T extends object>(type: Message<T>, of: { readonly [Name in keyof T]?: JsonNote }): [Message<object>, Notes] {
  // Its properties are notes by name.
  return [type, of as Notes]
}

/** What a payload carries, by its channel header. */
function payloadTypeOf(header: unknown): Message<object> | undefined {
  const bytes = typeof header === 'object' && header !== null && 'channelHeader' in header ? header.channelHeader : undefined
  const channel = bytes instanceof Uint8Array ? ChannelHeader.decode(bytes) : undefined
  return channel === undefined || isFault(channel) ? undefined : PAYLOADS.get(channel.type)
}

const PAYLOADS: ReadonlyMap<number, Message<object>> = new Map<number, Message<object>>([
  [HeaderType.message, ConfigValue],
  [HeaderType.config, ConfigEnvelope],
  [HeaderType.configUpdate, ConfigUpdateEnvelope],
  [HeaderType.endorserTransaction, Transaction],
  [HeaderType.ordererTransaction, Envelope],
])

function policyTypeOf(type: unknown): Message<object> | undefined {
  if (type === POLICY_TYPE.signature) return SignaturePolicyEnvelope
  return type === POLICY_TYPE.implicitMeta ? ImplicitMetaMessage : undefined
}
