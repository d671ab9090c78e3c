import { type Fault, isFault } from '@kumiko/interface'
import { ChannelHeader, Header, HeaderType, SignatureHeader } from './header.ts'
import { atLevel, faultAt } from './level.ts'
import { bytes, type Message, message, nested } from './message.ts'
import type { SignedData, Signer } from './signed-data.ts'
import { equalBytes } from './utf8-order.ts'

/** What clients send and blocks hold. `common.Envelope`. */
export interface Envelope {
  /** A {@link Payload}'s bytes: what is signed. */
  readonly payload: Uint8Array
  /** By the creator that the payload names. */
  readonly signature: Uint8Array
}

/** `common.Envelope`. */
export const Envelope: Message<Envelope> = message<Envelope>('common.Envelope', { payload: bytes(1), signature: bytes(2) })

/** `common.Payload`. */
export interface Payload {
  readonly header: Header | undefined
  /** By the type that the header names: a `Transaction`'s bytes, a `ConfigEnvelope`'s. */
  readonly data: Uint8Array
}

/** `common.Payload`. */
export const Payload: Message<Payload> = message<Payload>('common.Payload', { header: nested(1, () => Header), data: bytes(2) })

/** Both headers of a payload, with the bytes that they were read from. */
export interface CommonHeader {
  readonly bytes: Header
  readonly channel: ChannelHeader
  readonly signature: SignatureHeader
}

/** @returns `fabric-protocol/bad-envelope`: code 255 INVALID_OTHER_REASON. */
export function readEnvelope(source: Uint8Array): Envelope | Fault {
  return atLevel('fabric-protocol/bad-envelope', Envelope.decode(source))
}

/** @returns `fabric-protocol/bad-payload`: code 2 BAD_PAYLOAD. */
export function readPayload(source: Uint8Array): Payload | Fault {
  return atLevel('fabric-protocol/bad-payload', Payload.decode(source))
}

/** An envelope's payload, where its signature is not asked for. @returns As {@link readEnvelope} and {@link readPayload}. */
export function openEnvelope(source: Uint8Array): Payload | Fault {
  const envelope = readEnvelope(source)
  return isFault(envelope) ? envelope : readPayload(envelope.payload)
}

/** The header that names the channel. @returns `fabric-protocol/bad-common-header`. */
export function readChannelHeader({ header }: Payload): ChannelHeader | Fault {
  if (header === undefined) return badHeader('there is none')
  const channel = ChannelHeader.decode(header.channelHeader)
  return isFault(channel) ? badHeader(channel.detail ?? '') : channel
}

/**
 * Both headers, of whatever type.
 * @returns `fabric-protocol/bad-common-header`: code 3 BAD_COMMON_HEADER.
 */
export function readHeader(payload: Payload): CommonHeader | Fault {
  const { header } = payload
  if (header === undefined) return badHeader('there is none')
  const channel = readChannelHeader(payload)
  if (isFault(channel)) return channel
  const signature = SignatureHeader.decode(header.signatureHeader)
  if (isFault(signature)) return badHeader(signature.detail ?? '')
  return { bytes: header, channel, signature }
}

/**
 * Both headers of a transaction in a block: its type is CONFIG, CONFIG_UPDATE or ENDORSER_TRANSACTION, its epoch 0, nonce and creator are there.
 * @returns `fabric-protocol/bad-common-header`: code 3 BAD_COMMON_HEADER.
 * @see Fabric `core/common/validation/msgvalidation.go` validateCommonHeader
 */
export function readTransactionHeader(payload: Payload): CommonHeader | Fault {
  const header = readHeader(payload)
  if (isFault(header)) return header
  const { type, epoch } = header.channel
  if (!isTransactionType(type)) return badHeader(`type ${type} is not that of a transaction`)
  if (epoch !== 0n) return badHeader(`epoch is ${epoch}, not 0`)
  const lack = lackOf(header.signature)
  return lack === undefined ? header : badHeader(lack)
}

/** What a signature header lacks: both its nonce and its creator must be there. */
export function lackOf(header: SignatureHeader): string | undefined {
  if (header.nonce.length === 0) return 'the nonce is empty'
  return header.creator.length === 0 ? 'the creator is empty' : undefined
}

/** What the creator signed. Refused with code 4 BAD_CREATOR_SIGNATURE where it does not verify. */
export function envelopeSignedData(envelope: Envelope, header: CommonHeader): SignedData {
  return { identity: header.signature.creator, message: envelope.payload, signature: envelope.signature }
}

/** Signs a payload and writes its envelope. */
export function signEnvelope(payload: Uint8Array, signer: Signer): Uint8Array {
  return Envelope.encode({ payload, signature: signer.sign(payload) })
}

/**
 * Writes and signs an envelope.
 * @param nonce - Random bytes: Fabric takes 24.
 * @param channel - Fields left out have their defaults.
 */
export function buildEnvelope(channel: Partial<ChannelHeader>, data: Uint8Array, nonce: Uint8Array, signer: Signer): Uint8Array {
  const header: Header = {
    channelHeader: ChannelHeader.encode(channel),
    signatureHeader: SignatureHeader.encode({ creator: signer.creator, nonce }),
  }
  return signEnvelope(Payload.encode({ header, data }), signer)
}

/**
 * Are a block's transactions written the one way that Go writes them, with a payload and a signature each? Unknown fields may follow these.
 * Fabric 3 takes no block without, configuration blocks excepted: it does not ask for theirs.
 * @returns `fabric-protocol/empty-block` or `fabric-protocol/bad-form`.
 * @see Fabric `protoutil/blockutils.go` VerifyTransactionsAreWellFormed
 */
export function checkTransactionsForm(data: readonly Uint8Array[]): Fault | undefined {
  if (data.length === 0) return { fault: 'fabric-protocol/empty-block', detail: 'a block has one transaction or more' }
  for (const [index, item] of data.entries()) {
    const lack = formOf(item)
    if (lack !== undefined) return faultAt('fabric-protocol/bad-form', `transaction ${index}: ${lack}`)
  }
  return
}

function formOf(source: Uint8Array): string | undefined {
  const envelope = Envelope.decode(source)
  if (isFault(envelope)) return envelope.detail
  if (envelope.payload.length === 0) return 'the payload is empty'
  if (envelope.signature.length === 0) return 'the signature is empty'
  const isCanonical = isWrittenPlainly(source, envelope) || equalBytes(Envelope.encode(envelope), source)
  return isCanonical ? undefined : 'its bytes are not those that it would be written as'
}

/** Are the bytes a payload and a signature, each with the shortest length before it, and nothing else? Nearly all are: no need to write them. */
function isWrittenPlainly(source: Uint8Array, { payload, signature }: Envelope): boolean {
  const payloadAt = 1 + varintSize(payload.length)
  const signatureTag = payloadAt + payload.length
  const signatureAt = signatureTag + 1 + varintSize(signature.length)
  return (
    payload.byteOffset - source.byteOffset === payloadAt &&
    signature.byteOffset - source.byteOffset === signatureAt &&
    source.length === signatureAt + signature.length &&
    source[0] === 0x0a &&
    source[signatureTag] === 0x12
  )
}

function varintSize(value: number): number {
  let size = 1
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) size++
  return size
}

function isTransactionType(type: number): boolean {
  return type === HeaderType.config || type === HeaderType.configUpdate || type === HeaderType.endorserTransaction
}

function badHeader(detail: string): Fault {
  return faultAt('fabric-protocol/bad-common-header', detail)
}
