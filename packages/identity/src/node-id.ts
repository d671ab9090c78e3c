import type { NodeId } from '@kumiko/interface'
import { toHex } from './hex.ts'
import { keccak256 } from './keccak.ts'

/** @param publicKey - 64 bytes, x‖y. @see EIP-778, "v4" identity scheme */
export function nodeIdOf(publicKey: Uint8Array): NodeId {
  return toHex(keccak256(publicKey))
}

/**
 * How far two nodes are apart: the number of bits in the xor of their ids, 0 (the same) to 256.
 *
 * @see discv5-theory.md § Nodes, Records and Distances
 */
export function distance(a: NodeId, b: NodeId): number {
  for (let i = 0; i < a.length; i++) {
    const differing = digitAt(a, i) ^ digitAt(b, i)
    if (differing !== 0) return 4 * (a.length - i) - (Math.clz32(differing) - 28)
  }
  return 0
}

/** Orders two nodes by how near they are to a target, bit for bit: negative where `a` is nearer, 0 where they are the same. */
export function compareDistance(target: NodeId, a: NodeId, b: NodeId): number {
  for (let i = 0; i < target.length; i++) {
    const wanted = digitAt(target, i)
    const difference = (digitAt(a, i) ^ wanted) - (digitAt(b, i) ^ wanted)
    if (difference !== 0) return difference
  }
  return 0
}

/** The value of a lower-case hex digit. */
function digitAt(id: NodeId, index: number): number {
  const code = id.charCodeAt(index)
  return code <= 57 ? code - 48 : code - 87
}
