import { BlockMessage } from './block.ts'
import { Config, ConfigEnvelope, ConfigGroup, ConfigUpdate, ConfigUpdateEnvelope } from './config.ts'
import { Envelope, Payload } from './envelope.ts'
import { ChannelHeader, SerializedIdentity, SignatureHeader } from './header.ts'
import type { Message } from './message.ts'
import { FabricMspConfig, MspConfig, MspPrincipalMessage } from './msp-config.ts'
import { ApplicationPolicyMessage, ImplicitMetaMessage, PolicyMessage, SignaturePolicyEnvelope } from './policy.ts'
import { Proposal, ProposalResponse, ProposalResponsePayload, SignedProposal } from './proposal.ts'
import { TxReadWriteSet } from './read-write-set.ts'
import { Transaction } from './transaction.ts'

/** The messages that can be shown and read as JSON, by the names that `configtxlator --type` takes: `common.Block`. */
export const MESSAGE_TYPES: ReadonlyMap<string, Message<object>> = new Map(
  [
    BlockMessage,
    ChannelHeader,
    Config,
    ConfigEnvelope,
    ConfigGroup,
    ConfigUpdate,
    ConfigUpdateEnvelope,
    Envelope,
    Payload,
    SignatureHeader,
    MspConfig,
    FabricMspConfig,
    SerializedIdentity,
    MspPrincipalMessage,
    PolicyMessage,
    SignaturePolicyEnvelope,
    ImplicitMetaMessage,
    ApplicationPolicyMessage,
    Transaction,
    Proposal,
    SignedProposal,
    ProposalResponse,
    ProposalResponsePayload,
    TxReadWriteSet,
  ].map((type: Message<object>): [string, Message<object>] => [type.name, type]),
)
