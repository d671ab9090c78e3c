import { type BoundMethod, serve } from '@kumiko/fabric-grpc'
import { type AccessControl, evaluateSignedData } from '@kumiko/fabric-msp'
import { type Block, BlockMessage, writeBlock } from '@kumiko/fabric-protocol'
import { type Clock, type Fault, isFault, type Millis, systemClock } from '@kumiko/interface'
import type { ComponentLogger, Metrics } from '@libp2p/interface'
import type { DeliverChannel, PeerDeliverChannel } from './deliver-channel.ts'
import { type DeliverParts, deliverHandler, type Respond, type Told } from './deliver-handler.ts'
import { deliverBlocks, deliverFiltered, deliverOrdered, deliverWithPrivateData } from './deliver-method.ts'
import { deliverMetrics } from './deliver-metrics.ts'
import { filterBlock } from './filtered-block.ts'
import { readablePrivateData } from './private-data.ts'
import type { CheckReader } from './session.ts'

/** What a deliver service is made of. */
export interface DeliverServerOptions<C extends DeliverChannel> {
  /** A channel that is served; undefined where there is none of the name. */
  readonly channel: (channelId: string) => C | undefined
  /** How far a client's clock may be from ours. Default 15 min. Fabric's `peer.authentication.timewindow`. */
  readonly timeWindowMs?: Millis
  /** Whether the listener requires clients' certificates: then they sign its hash. Default false. */
  readonly isMutualTls?: boolean
  /** Default: the system's. */
  readonly clock?: Clock
  readonly metrics?: Metrics
  readonly logger?: ComponentLogger
}

/** What a peer's deliver service is made of. */
export interface DeliverServiceOptions extends DeliverServerOptions<PeerDeliverChannel> {
  /** Who may have blocks, and filtered ones: `event/Block` and `event/FilteredBlock`. */
  readonly access: AccessControl
}

/** In Fabric's configuration: only orderers and their admins are served. `ConsensusType.State`. */
const MAINTENANCE = 1

/** A peer's `protos.Deliver`: `Deliver`, `DeliverFiltered`, `DeliverWithPrivateData`. @see Fabric `core/peer/deliverevents.go` */
export function deliverService(options: DeliverServiceOptions): BoundMethod[] {
  const parts = partsOf(options)
  const by =
    (resource: string): CheckReader =>
    (channelId, signed) =>
      options.access.check(resource, channelId, signed)
  const handle = (check: CheckReader, respond: Respond<PeerDeliverChannel>) => deliverHandler({ ...parts, check, respond })
  return [
    serve(deliverBlocks, handle(by('event/Block'), respondWhole)),
    serve(deliverFiltered, handle(by('event/FilteredBlock'), respondFiltered)),
    serve(deliverWithPrivateData, handle(by('event/Block'), respondPrivate)),
  ]
}

/**
 * An orderer's `orderer.AtomicBroadcast/Deliver`: for who satisfies `/Channel/Readers`, and while consensus is in maintenance `/Channel/Orderer/Readers`.
 * @see Fabric `orderer/common/server/server.go`, `orderer/common/msgprocessor/sigfilter.go`
 */
export function ordererDeliver(options: DeliverServerOptions<DeliverChannel>): BoundMethod {
  const check: CheckReader = (channelId, signed) => {
    const bundle = options.channel(channelId)?.bundle
    if (bundle === undefined) return noChannel(channelId)
    const policy = bundle.orderer?.consensus.state === MAINTENANCE ? '/Channel/Orderer/Readers' : '/Channel/Readers'
    return evaluateSignedData(bundle.policies.policyOrReject(policy), [signed], bundle.msps)
  }
  return serve(deliverOrdered, deliverHandler({ ...partsOf(options), check, respond: respondWhole }))
}

function partsOf<C extends DeliverChannel>(options: DeliverServerOptions<C>): Omit<DeliverParts<C>, 'check' | 'respond'> {
  const { channel, timeWindowMs = 900_000, isMutualTls = false, clock = systemClock, metrics, logger } = options
  const log = logger?.forComponent('kumiko:fabric-deliver')
  return { channel, timeWindowMs, isMutualTls, clock, metrics: metrics && deliverMetrics(metrics), log }
}

/** Made once of a block that many clients get, where the channel gives all of them the same one. */
const wholeOf = madeOnce(writeBlock)
const filteredOf = madeOnce(filterBlock)

const respondWhole: Respond<DeliverChannel> = async (told) => ({ block: blockOf(told) })

/** It has no transaction's data: there is nothing to cut. */
const respondFiltered: Respond<DeliverChannel> = async ({ block }) => {
  const filteredBlock = filteredOf(block)
  return isFault(filteredBlock) ? undefined : { filteredBlock }
}

const respondPrivate: Respond<PeerDeliverChannel> = async (told) => {
  const { block, channel, signed } = told
  const privateDataMap = await readablePrivateData(channel, block.header.number, signed)
  return { blockAndPrivateData: { block: blockOf(told), privateDataMap } }
}

function blockOf({ block, isCut }: Pick<Told<DeliverChannel>, 'block' | 'isCut'>): Uint8Array {
  const { header, metadata } = block
  return isCut ? BlockMessage.encode({ header, metadata: { metadata } }) : wholeOf(block)
}

function madeOnce<T>(make: (block: Block) => T): (block: Block) => T {
  const known = new WeakMap<Block, { readonly made: T }>()
  return (block) => {
    const found = known.get(block)
    if (found !== undefined) return found.made
    const made = make(block)
    known.set(block, { made })
    return made
  }
}

function noChannel(channelId: string): Fault {
  return { fault: 'fabric-deliver/no-channel', detail: `channel ${channelId} not found` }
}
