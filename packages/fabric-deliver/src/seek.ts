import {
  buildEnvelope,
  HeaderType,
  int32,
  type Message,
  message,
  nested,
  SeekPosition,
  type Signer,
  type Timestamp,
} from '@kumiko/fabric-protocol'

/** The block at which a stream begins: by its number, or by where the chain is when the server looks. `nextCommit`: peers only. */
export type SeekStart = bigint | 'oldest' | 'newest' | 'nextCommit'

/** What is asked of a deliver service. */
export interface Seek {
  readonly start: SeekStart
  /** The last block. Undefined: {@link SEEK_NUMBER_MAX}, which never comes. */
  readonly stop?: SeekStart
  /** Whether the server waits for blocks that are not there yet; else it says NOT_FOUND. */
  readonly waits: boolean
  /** Whether blocks are asked for even of an orderer that knows itself to be in trouble; else it says SERVICE_UNAVAILABLE. */
  readonly bestEffort?: boolean
}

/** What a seek is sent as. */
export interface SeekOrigin {
  readonly channelId: string
  readonly signer: Signer
  /** SHA-256 of our TLS certificate's DER: servers that ask for one compare. */
  readonly tlsCertHash?: Uint8Array
  /** 24 random bytes. */
  readonly nonce: Uint8Array
  /** Unix milliseconds. Peers and orderers refuse what is 15 minutes off. */
  readonly now: number
}

/** The number of no block: a stream that stops there goes on for ever. */
export const SEEK_NUMBER_MAX = 0xffff_ffff_ffff_ffffn

/** `orderer.SeekInfo`. */
export interface SeekInfo {
  readonly start: SeekPosition | undefined
  readonly stop: SeekPosition | undefined
  /** 0 BLOCK_UNTIL_READY, 1 FAIL_IF_NOT_READY. */
  readonly behavior: number
  /** 0 STRICT, 1 BEST_EFFORT. */
  readonly errorResponse: number
  /** 0 BLOCK, 1 HEADER_WITH_SIG_BYTES: configuration blocks whole, of others header and metadata. */
  readonly contentType: number
}

/** `orderer.SeekInfo`. */
export const SeekInfo: Message<SeekInfo> = message<SeekInfo>('orderer.SeekInfo', {
  start: nested(1, () => SeekPosition),
  stop: nested(2, () => SeekPosition),
  behavior: int32(3),
  errorResponse: int32(4),
  contentType: int32(5),
})

/** A seek's bytes, as they go into an envelope. */
export function encodeSeek({ start, stop = SEEK_NUMBER_MAX, waits, bestEffort = false }: Seek): Uint8Array {
  return SeekInfo.encode({
    start: positionOf(start),
    stop: positionOf(stop),
    behavior: waits ? 0 : 1,
    errorResponse: bestEffort ? 1 : 0,
  })
}

/**
 * The signed envelope that asks for blocks.
 * @see Fabric `internal/pkg/peer/blocksprovider/blocksprovider.go` createSeekInfo, `protoutil/txutils.go` CreateSignedEnvelopeWithTLSBinding
 */
export function seekEnvelope(seek: Seek, { channelId, signer, tlsCertHash, nonce, now }: SeekOrigin): Uint8Array {
  const timestamp: Timestamp = { seconds: BigInt(Math.floor(now / 1000)), nanos: 0 }
  const header = { type: HeaderType.deliverSeekInfo, channelId, timestamp, ...(tlsCertHash && { tlsCertHash }) }
  return buildEnvelope(header, encodeSeek(seek), nonce, signer)
}

function positionOf(at: SeekStart): SeekPosition {
  if (typeof at === 'bigint') return SeekPosition.create({ specified: { number: at } })
  return SeekPosition.create({ [at]: {} })
}
