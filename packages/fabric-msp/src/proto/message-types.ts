import {
  block,
  channelHeader,
  config,
  configEnvelope,
  configGroup,
  configUpdate,
  configUpdateEnvelope,
  envelope,
  payload,
  signatureHeader,
} from './common.ts'
import type { Message, MessageType } from './message.ts'
import { fabricMspConfig, mspConfig, principalMessage, serializedIdentity } from './msp.ts'
import { applicationPolicyMessage, implicitMetaMessage, policyMessage, signaturePolicyEnvelope } from './policies.ts'

/** The messages that can be shown and read as JSON, by the names that `configtxlator --type` takes: `common.Block`. */
export const MESSAGE_TYPES: ReadonlyMap<string, MessageType<Message>> = new Map(
  [
    block,
    channelHeader,
    config,
    configEnvelope,
    configGroup,
    configUpdate,
    configUpdateEnvelope,
    envelope,
    payload,
    signatureHeader,
    mspConfig,
    fabricMspConfig,
    serializedIdentity,
    principalMessage,
    policyMessage,
    signaturePolicyEnvelope,
    implicitMetaMessage,
    applicationPolicyMessage,
  ].map((type): [string, MessageType<Message>] => [type.name, type]),
)
