import {
  type ChannelHeader,
  type Envelope,
  envelopeSignedData,
  equalBytes,
  readHeader,
  readPayload,
  type SignedData,
  type Timestamp,
} from '@kumiko/fabric-protocol'
import { type Fault, isFault, type Millis } from '@kumiko/interface'

/** A seek's envelope, opened; what is sought is not looked at yet. */
export interface SeekRequest {
  readonly channelId: string
  /** A `SeekInfo`'s bytes. */
  readonly data: Uint8Array
  /** Who asks, and the proof. */
  readonly signed: SignedData
}

/** What a request is held against. */
export interface RequestRules {
  readonly now: Millis
  /** How far from ours the client's clock may be. */
  readonly timeWindowMs: Millis
  /** The client's TLS certificate, whose hash it must have signed; null where that is not asked for. */
  readonly binding: { readonly certificateHash: Uint8Array | undefined } | null
}

/**
 * Opens a request, and checks what binds it to this time and connection.
 * @returns `fabric-deliver/bad-seek`: status BAD_REQUEST.
 * @see Fabric `common/deliver/deliver.go` parseEnvelope, validateChannelHeader; `binding.go`
 */
export function readSeekRequest(envelope: Envelope, rules: RequestRules): SeekRequest | Fault {
  const payload = readPayload(envelope.payload)
  if (isFault(payload)) return badSeek(payload.detail ?? payload.fault)
  const header = readHeader(payload)
  if (isFault(header)) return badSeek(header.detail ?? header.fault)
  const lack = timeProblem(header.channel.timestamp, rules) ?? bindingProblem(header.channel, rules)
  if (lack !== undefined) return badSeek(lack)
  return { channelId: header.channel.channelId, data: payload.data, signed: envelopeSignedData(envelope, header) }
}

function timeProblem(timestamp: Timestamp | undefined, { now, timeWindowMs }: RequestRules): string | undefined {
  if (timestamp === undefined) return 'channel header in envelope must contain timestamp'
  const apartMs = Math.abs(Number(timestamp.seconds) * 1000 + timestamp.nanos / 1e6 - now)
  return apartMs > timeWindowMs ? `the envelope's time is ${Math.round(apartMs)} ms from ours` : undefined
}

function bindingProblem({ tlsCertHash }: ChannelHeader, { binding }: RequestRules): string | undefined {
  if (binding === null) return
  if (tlsCertHash.length === 0) return "client didn't include its TLS cert hash"
  if (binding.certificateHash === undefined) return "client didn't send a TLS certificate"
  return equalBytes(tlsCertHash, binding.certificateHash) ? undefined : 'the TLS cert hash is not that of the connection'
}

function badSeek(detail: string): Fault {
  return { fault: 'fabric-deliver/bad-seek', detail: detail.slice(0, 200) }
}
