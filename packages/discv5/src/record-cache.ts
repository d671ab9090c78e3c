import { decodeEnr, enrOf, nodeFromEnr, toHex } from '@kumiko/identity'
import { BoundedMap, isFault, type NodeRecord } from '@kumiko/interface'

/** Records remembered; the one that was told of last goes last. */
const RECORDS_MAX = 1024

/** Every record begins with its size and a signature of 64 bytes. */
const SIGNATURE_AT = 5
const SIGNATURE_BYTES = 64

/** Reads records, and remembers them: answers of neighbours repeat each other, and a signature costs 80 µs to check. */
export class RecordCache {
  /** By signature. */
  readonly #nodes = new BoundedMap<string, NodeRecord>(RECORDS_MAX)

  /** @param record - RLP of an ENR. @returns Undefined where it does not hold. */
  read(record: Uint8Array): NodeRecord | undefined {
    const key = toHex(record.subarray(SIGNATURE_AT, SIGNATURE_AT + SIGNATURE_BYTES))
    const known = this.#nodes.get(key)
    const node = known !== undefined && isSame(known, record) ? known : readRecord(record)
    if (node === undefined) return undefined
    this.#nodes.set(key, node)
    return node
  }
}

/** Whoever copies a signature has not signed. */
function isSame(node: NodeRecord, record: Uint8Array): boolean {
  const bytes = enrOf(node)?.bytes
  return bytes !== undefined && Buffer.compare(bytes, record) === 0
}

/** @param record - RLP of an ENR. @returns Undefined where it does not hold. */
export function readRecord(record: Uint8Array): NodeRecord | undefined {
  const enr = decodeEnr(record)
  return isFault(enr) ? undefined : nodeFromEnr(enr)
}
