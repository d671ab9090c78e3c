import {
  type ChannelBundle,
  channelBundle,
  channelMsp,
  nextChannelBundle,
  proposeConfigUpdate,
  successionFault,
  type X509Msp,
} from '@kumiko/fabric-msp'
import { buildEnvelope, ConfigEnvelope, Envelope, HeaderType, readPayload, type Signer } from '@kumiko/fabric-protocol'
import { type Fault, isFault, type Millis, type RandomBytes } from '@kumiko/interface'
import { maintenanceProblem } from './maintenance-filter.ts'
import { messageRejection, type OrderedBundle } from './message-filters.ts'
import { badRequest, during, type Rejection } from './outcome.ts'

/** Who makes the CONFIG transaction of an update, when, and with which nonce. */
export interface ConfigSigner {
  readonly signer: Signer
  readonly now: Millis
  readonly randomBytes: RandomBytes
}

const NONCE_SIZE = 24

/**
 * Makes the CONFIG transaction of an update.
 * @param update - An envelope of type CONFIG_UPDATE.
 * @param checkedAt - As `now` of {@link messageRejection}.
 * @returns The envelope to order, alone in a block; or what the client is told, with Fabric's status and words.
 * @see Fabric `orderer/common/msgprocessor/standardchannel.go` ProcessConfigUpdateMsg, `multichannel/chainsupport.go` ProposeConfigUpdate
 */
export function configTransaction(update: Envelope, bundle: OrderedBundle, by: ConfigSigner, checkedAt?: Millis): Envelope | Rejection {
  const unfit = messageRejection(update, bundle, checkedAt)
  if (unfit !== undefined) return during('config update for existing channel did not pass initial checks', unfit)
  const proposed = proposeConfigUpdate(bundle, update)
  const next = isFault(proposed) ? proposed : bundleOf(proposed, bundle)
  if (isFault(proposed) || isFault(next)) {
    const fault = isFault(proposed) ? proposed : next
    const why = isFault(fault) ? (fault.detail ?? fault.fault) : ''
    return badRequest(`error applying config update to existing channel '${bundle.channelId}': ${why}`)
  }
  const config = sign(proposed, bundle.channelId, by)
  if (isFault(config)) return badRequest(config.detail ?? config.fault)
  const tooLarge = messageRejection(config, bundle, checkedAt)
  if (tooLarge !== undefined) return during('config update for existing channel did not pass final checks', tooLarge)
  const problem = maintenanceProblem(bundle, next, proposed)
  if (problem === undefined) return config
  const what = 'config update for existing channel did not pass maintenance checks: config transaction inspection failed'
  return badRequest(`${what}: ${problem}`)
}

/** A CONFIG transaction with what is in it. */
export interface ReadConfig {
  /** The CONFIG_UPDATE that it was made of. */
  readonly update: Envelope
  readonly config: ConfigEnvelope
}

/** Reads a CONFIG transaction that an orderer made. */
export function readConfig({ payload: bytes }: Envelope): ReadConfig | Fault {
  const payload = readPayload(bytes)
  const config = isFault(payload) ? payload : ConfigEnvelope.decode(payload.data)
  if (isFault(config)) return config
  return config.lastUpdate === undefined ? { fault: BAD_CONFIG, detail: 'there is no last_update' } : { update: config.lastUpdate, config }
}

const BAD_CONFIG = 'fabric-orderer/bad-config'

/** The channel with a CONFIG transaction applied. It is validated as a peer does. */
export function applyConfig(bundle: OrderedBundle, config: ConfigEnvelope): OrderedBundle | Fault {
  return ordered(nextChannelBundle(bundle, config, channelMsp))
}

/** The channel that a bundle tells, where it can be ordered. @returns A fault where it has no orderer section. */
export function ordered(bundle: ChannelBundle<X509Msp> | Fault): OrderedBundle | Fault {
  if (isFault(bundle)) return bundle
  const { orderer } = bundle
  return orderer === undefined ? { fault: BAD_CONFIG, detail: 'config does not contain orderer config' } : { ...bundle, orderer }
}

function bundleOf({ config }: ConfigEnvelope, current: OrderedBundle): OrderedBundle | Fault {
  if (config === undefined) return { fault: BAD_CONFIG, detail: 'there is no config' }
  const next = ordered(channelBundle(current.channelId, config, channelMsp))
  return isFault(next) ? next : (successionFault(current, next) ?? next)
}

function sign(config: ConfigEnvelope, channelId: string, { signer, now, randomBytes }: ConfigSigner): Envelope | Fault {
  const timestamp = { seconds: BigInt(Math.floor(now / 1000)), nanos: Math.floor(now % 1000) * 1_000_000 }
  const header = { type: HeaderType.config, version: 0, timestamp, channelId, epoch: 0n }
  return Envelope.decode(buildEnvelope(header, ConfigEnvelope.encode(config), randomBytes(NONCE_SIZE), signer))
}
