import type { NodeRecord } from '@kumiko/interface'

/** The record with the higher sequence number; the first of two that have the same. */
export function newest(node: NodeRecord, other: NodeRecord | undefined): NodeRecord {
  return other !== undefined && other.seq > node.seq ? other : node
}
