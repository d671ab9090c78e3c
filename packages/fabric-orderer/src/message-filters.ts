import { type ChannelBundle, certificateOf, evaluateSignedData, type OrdererSection, type X509Msp } from '@kumiko/fabric-msp'
import { type BatchSize, type Envelope, envelopeSignedData, readHeader, readPayload } from '@kumiko/fabric-protocol'
import { isFault, type Millis } from '@kumiko/interface'
import { envelopeSize } from './block-cutter.ts'
import { badRequest, forbidden, type Rejection, unavailable } from './outcome.ts'

/** A channel that has an orderer section: others cannot be ordered. */
export type OrderedBundle = ChannelBundle<X509Msp> & { readonly orderer: OrdererSection<X509Msp> }

/** Who may write to a channel; in maintenance, who may. */
const [WRITERS, ORDERER_WRITERS] = ['/Channel/Writers', '/Channel/Orderer/Writers']

const MAINTENANCE = 1

/** Is the channel in maintenance, so that only its configuration may change? */
function isInMaintenance({ orderer }: OrderedBundle): boolean {
  return orderer.consensus.state === MAINTENANCE
}

/**
 * Checks a message that is no configuration: the channel takes some now, it is not too large, and its signer may write.
 * @param now - For who signed with a certificate that has ended; undefined where it was asked before, so that the answer is the same for all.
 * @returns What the client is told, with Fabric's status and words; undefined where it is fit.
 * @see Fabric `orderer/common/msgprocessor/standardchannel.go` ProcessNormalMsg
 */
export function normalRejection(envelope: Envelope, bundle: OrderedBundle, now?: Millis): Rejection | undefined {
  if (isInMaintenance(bundle)) return unavailable('normal transactions are rejected: maintenance mode')
  return messageRejection(envelope, bundle, now)
}

/**
 * What any message must pass, configurations too.
 * @see Fabric `orderer/common/msgprocessor/{filter,sizefilter,expiration,sigfilter}.go`, in this order
 */
export function messageRejection(envelope: Envelope, bundle: OrderedBundle, now?: Millis): Rejection | undefined {
  if (envelope.payload.length === 0) return badRequest('Message was empty')
  return sizeRejection(envelope, bundle.orderer.batchSize) ?? signerRejection(envelope, bundle, now)
}

function sizeRejection(envelope: Envelope, { absoluteMaxBytes }: BatchSize): Rejection | undefined {
  const size = envelopeSize(envelope)
  if (size <= absoluteMaxBytes) return
  return badRequest(`message payload is ${size} bytes and exceeds maximum allowed ${absoluteMaxBytes} bytes`)
}

function signerRejection(envelope: Envelope, bundle: OrderedBundle, now: Millis | undefined): Rejection | undefined {
  const payload = readPayload(envelope.payload)
  const header = isFault(payload) ? payload : readHeader(payload)
  if (isFault(header)) return badRequest(`could not convert message to signedData: ${header.detail ?? header.fault}`)
  const signed = envelopeSignedData(envelope, header)
  if (now !== undefined && hasExpired(signed.identity, bundle, now)) return badRequest('broadcast client identity expired')
  const name = isInMaintenance(bundle) ? ORDERER_WRITERS : WRITERS
  const policy = bundle.policies.policy(name)
  if (policy === undefined) return badRequest(`could not find policy ${name}`)
  const fault = evaluateSignedData(policy, [signed], bundle.msps)
  return fault && forbidden(fault.detail ?? fault.fault)
}

/** Whose certificate cannot be read never expires: the policy refuses him. Those of the channel are known, and not read again each time. */
function hasExpired(serialized: Uint8Array, { msps }: OrderedBundle, now: Millis): boolean {
  const identity = msps.deserialize(serialized)
  const certificate = isFault(identity) ? certificateOf(serialized) : identity
  const end = isFault(certificate) ? undefined : 'notAfter' in certificate ? certificate.notAfter : certificate.expiresAt
  return end !== undefined && end * 1000 <= now
}
