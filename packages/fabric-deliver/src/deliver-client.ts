import type { Endpoint } from '@kumiko/fabric-grpc'
import type { Block, BlockHeader } from '@kumiko/fabric-protocol'
import { KumikoError } from '@kumiko/interface'
import type { BlockVerifier } from './block-verifier.ts'
import { Delivery } from './delivery.ts'
import { type FetchedBlock, fetchBlock } from './fetch.ts'
import { type DeliverStream, openStream, type StreamHandlers } from './grpc-stream.ts'
import { type BlockWithPrivateData, blockIntake, filteredIntake, type Intake, privateIntake } from './intake.ts'
import { type DeliverOptions, type DeliverSettings, readOptions } from './options.ts'
import type { FilteredBlock } from './response.ts'
import { Rotation } from './rotation.ts'
import { itemsOf, Run } from './run.ts'
import { type Seek, type SeekStart, seekEnvelope } from './seek.ts'

/** Which blocks, and for how long. */
export interface BlocksOptions {
  /** Ends the iteration, with its reason thrown, and all that it holds. */
  readonly signal?: AbortSignal
  /** The header of the block before the first: the first must then link to it. */
  readonly previous?: BlockHeader
  /** The last block; the iteration ends after it. */
  readonly until?: bigint
}

/** How events are followed: as {@link BlocksOptions}, for what has no headers. */
export type EventsOptions = Omit<BlocksOptions, 'previous'>

/** Brings a channel's blocks from orderers. */
export interface DeliverClient {
  /**
   * Blocks in order, each once, checked, for ever: streams that break are resumed at the next number, at whichever endpoint gives it. Nothing is
   * connected before the first is asked for; no more is read ahead than the options say. `return()` and the signal free all that it holds.
   *
   * @param from - The first block's number.
   * @throws KumikoError `fabric-deliver/forbidden`, `fabric-deliver/bad-request` where all endpoints say so; `fabric-deliver/given-up`;
   * `fabric-deliver/no-verifier`; what the signer or the verifier throw.
   */
  blocks(from: SeekStart, options?: BlocksOptions): AsyncIterableIterator<Block, void, undefined>

  /**
   * One block, from the first endpoint that gives it. Its number and its data's hash are checked, the orderers' signatures are not:
   * `verifyBlockSignatures` does, by whom has the channel's configuration.
   *
   * @returns Undefined where no such block is yet.
   * @throws KumikoError `fabric-deliver/forbidden`, `fabric-deliver/bad-request`; `fabric-deliver/fetch-failed` where no endpoint answered well;
   * the signal's reason.
   */
  fetch(which: FetchedBlock, options?: { readonly signal?: AbortSignal }): Promise<Block | undefined>
}

/** Brings a channel's blocks from peers, which have validated them, and what peers tell of blocks besides. */
export interface PeerDeliverClient extends DeliverClient {
  /** What happened to the transactions of each block, as the peer says it: for who may not see the blocks. Else as {@link DeliverClient.blocks}. */
  filteredBlocks(from: SeekStart, options?: EventsOptions): AsyncIterableIterator<FilteredBlock, void, undefined>

  /** Blocks with the private data that our identity may have. Else as {@link DeliverClient.blocks}. */
  blocksWithPrivateData(from: SeekStart, options?: BlocksOptions): AsyncIterableIterator<BlockWithPrivateData, void, undefined>
}

const ORDERER_DELIVER = '/orderer.AtomicBroadcast/Deliver'
const PEER_DELIVER = '/protos.Deliver/Deliver'
const PEER_DELIVER_FILTERED = '/protos.Deliver/DeliverFiltered'
const PEER_DELIVER_PRIVATE = '/protos.Deliver/DeliverWithPrivateData'

/**
 * A client of the orderers of a channel. Their blocks are not taken on trust: `blocks()` asks for a verifier.
 * @throws KumikoError `fabric-deliver/bad-options`.
 */
export function deliverClient(options: DeliverOptions): DeliverClient {
  const settings = readOptions(options)
  return {
    blocks: (from, { previous, ...following } = {}) => {
      const intake = (): Intake<Block> => blockIntake(verifierOf(settings), previous)
      return follow(settings, ORDERER_DELIVER, from, intake, following)
    },
    fetch: (which, { signal } = {}) => fetchBlock(which, settings, opener(settings, ORDERER_DELIVER), signal),
  }
}

/**
 * A client of peers. Without a verifier they are trusted with the blocks: ask those of the own organisation.
 * @throws KumikoError `fabric-deliver/bad-options`.
 */
export function peerDeliverClient(options: DeliverOptions): PeerDeliverClient {
  const settings = readOptions(options)
  const { channelId, verifier } = settings
  return {
    blocks: (from, { previous, ...following } = {}) =>
      follow(settings, PEER_DELIVER, from, () => atTold(blockIntake(verifier?.(), previous)), following),
    filteredBlocks: (from, following = {}) => follow(settings, PEER_DELIVER_FILTERED, from, () => filteredIntake(channelId), following),
    blocksWithPrivateData: (from, { previous, ...following } = {}) =>
      follow(settings, PEER_DELIVER_PRIVATE, from, () => atTold(privateIntake(verifier?.(), previous)), following),
    fetch: (which, { signal } = {}) => fetchBlock(which, settings, opener(settings, PEER_DELIVER), signal),
  }
}

interface SourcedBlock {
  readonly block: Block
}

/**
 * An orderers' client as where a committer takes blocks from. Of a peers' client, `blocksWithPrivateData` is one already.
 * @returns As `BlockSource` of `@kumiko/fabric-committer`.
 */
export function blockSource(client: Pick<DeliverClient, 'blocks'>): {
  blocks(from: bigint, options?: BlocksOptions): AsyncIterableIterator<SourcedBlock, void, undefined>
} {
  return {
    blocks: (from, options) => {
      const blocks = client.blocks(from, options)
      return {
        next: async (): Promise<IteratorResult<SourcedBlock, void>> => {
          const next = await blocks.next()
          return next.done === true ? next : { done: false, value: { block: next.value } }
        },
        return: async (): Promise<IteratorResult<SourcedBlock, void>> => {
          await blocks.return?.()
          return { done: true, value: undefined }
        },
        [Symbol.asyncIterator]() {
          return this
        },
      }
    },
  }
}

/** The endpoints that a configuration names are orderers: peers are asked where the client was told. */
function atTold<T>(intake: Intake<T>): Intake<T> {
  return { accept: intake.accept, endpoints: undefined }
}

function follow<T>(
  settings: DeliverSettings,
  path: string,
  from: SeekStart,
  intake: () => Intake<T>,
  { signal, until }: EventsOptions,
): AsyncIterableIterator<T, void, undefined> {
  return itemsOf(() => runOf(settings, path, from, intake(), until), signal)
}

function runOf<T>(settings: DeliverSettings, path: string, from: SeekStart, intake: Intake<T>, until: bigint | undefined): Run<T> {
  const { endpoints, random, times, clock, readAhead, onBreak } = settings
  const told = intake.endpoints ?? []
  const rotation = new Rotation(told.length > 0 ? told : endpoints, random)
  const delivery = new Delivery({ from, until, intake, rotation, times })
  return new Run(delivery, { clock, readAhead, onBreak, open: opener(settings, path) })
}

function opener(settings: DeliverSettings, path: string): (endpoint: Endpoint, seek: Seek, handlers: StreamHandlers) => DeliverStream {
  const { channelId, signer, tlsCertHash, clock, randomBytes, transport } = settings
  return (endpoint, seek, handlers) => {
    const origin = { channelId, signer, nonce: randomBytes(24), now: clock.now(), ...(tlsCertHash && { tlsCertHash }) }
    return openStream(endpoint, path, seekEnvelope(seek, origin), transport, handlers)
  }
}

function verifierOf({ verifier }: DeliverSettings): BlockVerifier {
  if (verifier !== undefined) return verifier()
  throw new KumikoError('fabric-deliver/no-verifier', 'orderers are not trusted with blocks: give a verifier, as blockVerifier(bundle)')
}
