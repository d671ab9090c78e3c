import { type BoundMethod, serve } from '@kumiko/fabric-grpc'
import { type AccessControl, certificateOf } from '@kumiko/fabric-msp'
import { decodeRequest, type Message } from '@kumiko/fabric-protocol'
import { type Clock, isFault, KumikoError, systemClock } from '@kumiko/interface'
import {
  cancelSnapshot,
  generateSnapshot,
  queryPendingSnapshots,
  type SignedSnapshotRequest,
  SnapshotQuery,
  SnapshotRequest,
} from './snapshot-messages.ts'

/** What the service asks of a channel. Its requests are those of `@kumiko/fabric-ledger`. */
export interface SnapshotChannel<L extends object> {
  readonly height: bigint
  readonly ledger: L
  readonly snapshots: {
    /** In ascending order. */
    readonly pending: readonly bigint[]
    submit(blockNumber: bigint, height: bigint): Promise<bigint>
    cancel(blockNumber: bigint): Promise<void>
    /** Takes the snapshot that is due, if one is. Not waited for. */
    fulfil(ledger: L): Promise<unknown>
  }
}

/** What a snapshot service is made of. */
export interface SnapshotServiceOptions<L extends object> {
  readonly channel: (channelId: string) => SnapshotChannel<L> | undefined
  /** Who may: `snapshot/submitrequest`, `snapshot/cancelrequest` and `snapshot/listpending`. */
  readonly access: AccessControl
  /** Default: the system's. */
  readonly clock?: Clock
}

/** A peer's `protos.Snapshot`: `Generate`, `Cancel`, `QueryPendings`. @see Fabric `core/ledger/snapshotgrpc/snapshot_service.go` */
export function snapshotService<L extends object>(options: SnapshotServiceOptions<L>): BoundMethod[] {
  const open = opener(options)
  return [
    serve(generateSnapshot, async (signed) => {
      const { channel, request } = open('snapshot/submitrequest', signed, SnapshotRequest)
      await inFabricsWords(channel.snapshots.submit(request.blockNumber, channel.height), request.blockNumber, channel.height)
      channel.snapshots.fulfil(channel.ledger).catch(() => {})
      return {}
    }),
    serve(cancelSnapshot, async (signed) => {
      const { channel, request } = open('snapshot/cancelrequest', signed, SnapshotRequest)
      await inFabricsWords(channel.snapshots.cancel(request.blockNumber), request.blockNumber, channel.height)
      return {}
    }),
    serve(queryPendingSnapshots, async (signed) => ({
      blockNumbers: open('snapshot/listpending', signed, SnapshotQuery).channel.snapshots.pending,
    })),
  ]
}

/** @throws Error as Fabric tells it: status UNKNOWN. */
type Open<L extends object> = <T extends SnapshotQuery>(
  resource: string,
  signed: SignedSnapshotRequest,
  type: Message<T>,
) => { readonly channel: SnapshotChannel<L>; readonly request: T }

function opener<L extends object>({ channel: find, access, clock = systemClock }: SnapshotServiceOptions<L>): Open<L> {
  return (resource, { request: bytes, signature }, type) => {
    const request = decodeRequest(() => type.decode(bytes))
    if (isFault(request)) throw new Error(`failed to unmarshal snapshot request: ${request.detail}`)
    if (request.signatureHeader === undefined) throw new Error('missing signature header')
    const { creator: identity } = request.signatureHeader
    const certificate = certificateOf(identity)
    if (!isFault(certificate) && clock.now() > certificate.notAfter * 1000) throw new Error('client identity expired')
    const denied = access.check(resource, '', { identity, message: bytes, signature })
    if (denied !== undefined) throw new Error(denied.detail ?? denied.fault)
    if (request.channelId === '') throw new Error('missing channel ID')
    const channel = find(request.channelId)
    if (channel === undefined) throw new Error(`cannot find ledger for channel ${request.channelId}`)
    return { channel, request }
  }
}

/** @see Fabric `core/ledger/kvledger/snapshot_mgmt.go` */
async function inFabricsWords(work: Promise<unknown>, number: bigint, height: bigint): Promise<void> {
  try {
    await work
  } catch (error) {
    throw error instanceof KumikoError ? new Error(wordsFor(error, number, height), { cause: error }) : error
  }
}

function wordsFor({ code, message }: KumikoError, number: bigint, height: bigint): string {
  switch (code) {
    case 'fabric-ledger/snapshot-too-late':
      return `requested snapshot for block number ${number} cannot be less than the last committed block number ${height - 1n}`
    case 'fabric-ledger/snapshot-requested':
      return `duplicate snapshot request for block number ${number === 0n ? height - 1n : number}`
    case 'fabric-ledger/no-snapshot-request':
      return `no snapshot request exists for block number ${number}`
    default:
      return message
  }
}
