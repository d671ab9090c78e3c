import { type UnaryMethod, unary } from '@kumiko/fabric-grpc'
import {
  bytes,
  concatBytes,
  decodeVarint,
  encodeVarint,
  type Field,
  type Message,
  message,
  nested,
  SignatureHeader,
  string,
  uint64,
  WireType,
} from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'

/** `protos.SignedSnapshotRequest`. */
export interface SignedSnapshotRequest {
  /** A {@link SnapshotRequest}'s bytes, or a {@link SnapshotQuery}'s: what is signed. */
  readonly request: Uint8Array
  readonly signature: Uint8Array
}

/** `protos.SignedSnapshotRequest`. */
export const SignedSnapshotRequest: Message<SignedSnapshotRequest> = message<SignedSnapshotRequest>('protos.SignedSnapshotRequest', {
  request: bytes(1),
  signature: bytes(2),
})

/** `protos.SnapshotQuery`. */
export interface SnapshotQuery {
  readonly signatureHeader: SignatureHeader | undefined
  readonly channelId: string
}

/** `protos.SnapshotQuery`. */
export const SnapshotQuery: Message<SnapshotQuery> = message<SnapshotQuery>('protos.SnapshotQuery', {
  signatureHeader: nested(1, () => SignatureHeader),
  channelId: string(2),
})

/** `protos.SnapshotRequest`. */
export interface SnapshotRequest extends SnapshotQuery {
  /** The last block of the snapshot; 0 for the ledger's last. */
  readonly blockNumber: bigint
}

/** `protos.SnapshotRequest`. */
export const SnapshotRequest: Message<SnapshotRequest> = message<SnapshotRequest>('protos.SnapshotRequest', {
  signatureHeader: nested(1, () => SignatureHeader),
  channelId: string(2),
  blockNumber: uint64(3),
})

/** `protos.QueryPendingSnapshotsResponse`. */
export interface PendingSnapshots {
  /** In ascending order. */
  readonly blockNumbers: readonly bigint[]
}

const PendingSnapshots: Message<PendingSnapshots> = message<PendingSnapshots>('protos.QueryPendingSnapshotsResponse', {
  blockNumbers: packedUint64(1),
})

const Empty: Message<object> = message<object>('google.protobuf.Empty', {})

/** Asks for a snapshot. */
export const generateSnapshot: UnaryMethod<SignedSnapshotRequest, object> = unary('/protos.Snapshot/Generate', SignedSnapshotRequest, Empty)

/** Takes that back. */
export const cancelSnapshot: UnaryMethod<SignedSnapshotRequest, object> = unary('/protos.Snapshot/Cancel', SignedSnapshotRequest, Empty)

/** Lists those that are asked for, and not there yet. */
export const queryPendingSnapshots: UnaryMethod<SignedSnapshotRequest, PendingSnapshots> = unary(
  '/protos.Snapshot/QueryPendings',
  SignedSnapshotRequest,
  PendingSnapshots,
)

/** As Go writes a `repeated uint64`; what is not packed is not read. */
function packedUint64(number: number): Field<readonly bigint[]> {
  return {
    number,
    type: WireType.bytes,
    shape: { kind: 'uint64', label: 'list' },
    initial: () => [],
    read: (reader, held) => [...held, ...unpack(reader.bytes, (detail) => reader.fail(detail))],
    write: (to, values) => {
      if (values.length > 0) to.element(number, concatBytes(values.map(encodeVarint)))
    },
  }
}

function unpack(packed: Uint8Array, fail: (detail: string) => void): bigint[] {
  const values: bigint[] = []
  for (let at = 0; at < packed.length; ) {
    const varint = decodeVarint(packed, at)
    if (varint === undefined || isFault(varint)) {
      fail('a packed number is cut short')
      break
    }
    values.push(varint.value)
    at = varint.next
  }
  return values
}
