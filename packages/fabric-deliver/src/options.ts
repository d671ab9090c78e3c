import { randomBytes } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import type { ClientTls, Endpoint } from '@kumiko/fabric-grpc'
import { decodePem } from '@kumiko/fabric-msp'
import { type Signer, sha256 } from '@kumiko/fabric-protocol'
import { type Clock, KumikoError, type Millis, type Random, type RandomBytes, systemClock } from '@kumiko/interface'
import type { BlockVerifier } from './block-verifier.ts'
import type { DeliveryTimes, StreamBreak } from './delivery.ts'
import type { TransportOptions } from './grpc-stream.ts'
import type { ReadAhead } from './run.ts'

/** What a client of block streams is made of. */
export interface DeliverOptions {
  readonly channelId: string
  /** One or more: where blocks are to be had, until the verifier says otherwise. */
  readonly endpoints: readonly Endpoint[]
  /** Who asks: a reader of the channel. An `IdentitySigner` will do. */
  readonly signer: Signer
  /** Where servers ask for our certificate; its hash then goes into each request. */
  readonly clientTls?: ClientTls
  /** Makes what judges blocks: asked once by each run, for it moves on with the blocks of the run. See `blockVerifier`. */
  readonly verifier?: () => BlockVerifier
  /** Default: the system's. */
  readonly clock?: Clock
  /** For the order of the endpoints. Default `Math.random`. */
  readonly random?: Random
  /** For nonces. Default: the system's. */
  readonly randomBytes?: RandomBytes
  /** Default 3 s, as Fabric's `peer.deliveryclient.connTimeout`. */
  readonly connectTimeoutMs?: Millis
  /** After so long without a block another endpoint is asked. Default 120 s. */
  readonly silenceMaxMs?: Millis
  /** For {@link DeliverClient.fetch}, each endpoint. Default 10 s. */
  readonly fetchTimeoutMs?: Millis
  /** Default 100 ms, as in Fabric; 1.2 times as long after each failure more. */
  readonly retryInitialMs?: Millis
  /** Default 10 s, as in Fabric 3. */
  readonly retryMaxMs?: Millis
  /** Default Infinity: a peer does not give up. Fabric's `peer.deliveryclient.reconnectTotalTimeThreshold`. */
  readonly reconnectTotalMs?: Millis
  /** Default 16. */
  readonly readAheadBlocks?: number
  /** Default 32 MiB, and one message more. */
  readonly readAheadBytes?: number
  /** Default 100 MiB, as in Fabric. */
  readonly messageBytesMax?: number
  /** Default 60 s, as Fabric's `peer.keepalive.deliveryClient`: its servers cut off who asks more often. */
  readonly keepaliveIntervalMs?: Millis
  /** Default 20 s. */
  readonly keepaliveTimeoutMs?: Millis
  /** Hears of each stream that broke: for the log. */
  readonly onBreak?: (broken: StreamBreak) => void
}

/** All that is needed, with defaults where nothing was said. */
export interface DeliverSettings {
  readonly channelId: string
  readonly endpoints: readonly Endpoint[]
  readonly signer: Signer
  readonly tlsCertHash: Uint8Array | undefined
  readonly verifier: (() => BlockVerifier) | undefined
  readonly clock: Clock
  readonly random: Random
  readonly randomBytes: RandomBytes
  readonly fetchTimeoutMs: Millis
  readonly times: DeliveryTimes
  readonly readAhead: ReadAhead
  readonly transport: TransportOptions
  readonly onBreak: ((broken: StreamBreak) => void) | undefined
}

const RETRY_FACTOR = 1.2

/** @throws KumikoError `fabric-deliver/bad-options`. */
export function readOptions(options: DeliverOptions): DeliverSettings {
  const { channelId, endpoints, signer, clientTls, verifier, onBreak } = options
  if (endpoints.length === 0) throw badOptions('endpoints: give one or more')
  return {
    channelId,
    endpoints,
    signer,
    tlsCertHash: clientTls && hashOf(clientTls),
    verifier,
    clock: options.clock ?? systemClock,
    random: options.random ?? Math.random,
    randomBytes: options.randomBytes ?? ((length) => new Uint8Array(randomBytes(length))),
    fetchTimeoutMs: positive('fetchTimeoutMs', options.fetchTimeoutMs ?? 10_000),
    times: readTimes(options),
    readAhead: {
      itemsMax: positive('readAheadBlocks', options.readAheadBlocks ?? 16),
      bytesMax: positive('readAheadBytes', options.readAheadBytes ?? 33_554_432),
    },
    transport: readTransport(options),
    onBreak,
  }
}

function readTimes(options: DeliverOptions): DeliveryTimes {
  return {
    connectTimeoutMs: positive('connectTimeoutMs', options.connectTimeoutMs ?? 3_000),
    silenceMaxMs: positive('silenceMaxMs', options.silenceMaxMs ?? 120_000),
    retryInitialMs: positive('retryInitialMs', options.retryInitialMs ?? 100),
    retryFactor: RETRY_FACTOR,
    retryMaxMs: positive('retryMaxMs', options.retryMaxMs ?? 10_000),
    reconnectTotalMs: positive('reconnectTotalMs', options.reconnectTotalMs ?? Number.POSITIVE_INFINITY),
  }
}

function readTransport(options: DeliverOptions): TransportOptions {
  return {
    clientTls: options.clientTls,
    messageBytesMax: positive('messageBytesMax', options.messageBytesMax ?? 104_857_600),
    keepaliveIntervalMs: positive('keepaliveIntervalMs', options.keepaliveIntervalMs ?? 60_000),
    keepaliveTimeoutMs: positive('keepaliveTimeoutMs', options.keepaliveTimeoutMs ?? 20_000),
  }
}

/** Of the first certificate: what the other side of TLS sees. */
function hashOf({ certificate, privateKey }: ClientTls): Uint8Array {
  const block = decodePem(certificate)
  if (block === undefined) throw badOptions('clientTls.certificate: no PEM in it')
  try {
    createSecureContext({ cert: Buffer.from(certificate), key: Buffer.from(privateKey) })
  } catch (cause) {
    throw badOptions('clientTls: give a certificate in PEM, and its private key in PEM, not encrypted', cause)
  }
  return sha256(block.bytes)
}

function positive(name: string, value: number): number {
  if (value > 0) return value
  throw badOptions(`${name}: ${value} is not above 0`)
}

function badOptions(message: string, cause?: unknown): KumikoError {
  return new KumikoError('fabric-deliver/bad-options', message, { cause })
}
