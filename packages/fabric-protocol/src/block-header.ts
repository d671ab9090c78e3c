import { concatBytes, sha256, sha256Of } from './hash.ts'
import { bytes, type Message, message, uint64 } from './message.ts'

/** What orderers sign and the next block links to. `common.BlockHeader`. */
export interface BlockHeader {
  readonly number: bigint
  /** {@link blockHash} of the block before; empty in block 0. */
  readonly previousHash: Uint8Array
  /** {@link dataHash} of this block. */
  readonly dataHash: Uint8Array
}

/** `common.BlockHeader`. */
export const BlockHeader: Message<BlockHeader> = message<BlockHeader>('common.BlockHeader', {
  number: uint64(1),
  previousHash: bytes(2),
  dataHash: bytes(3),
})

const SEQUENCE = 0x30
const INTEGER = 0x02
const OCTET_STRING = 0x04

/**
 * A header as it is hashed and signed: DER `SEQUENCE { INTEGER number, OCTET STRING previous hash, OCTET STRING data hash }`.
 * @see Fabric `protoutil/blockutils.go` BlockHeaderBytes
 */
export function blockHeaderBytes(header: BlockHeader): Uint8Array {
  return der(SEQUENCE, der(INTEGER, unsigned(header.number)), der(OCTET_STRING, header.previousHash), der(OCTET_STRING, header.dataHash))
}

/** A block's hash: that of its header. */
export function blockHash(header: BlockHeader): Uint8Array {
  return sha256(blockHeaderBytes(header))
}

/** The hash over a block's transactions, one after the other as they are. */
export function dataHash(data: readonly Uint8Array[]): Uint8Array {
  return sha256Of(data)
}

function der(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const size = contents.reduce((sum, part) => sum + part.length, 0)
  return concatBytes([Uint8Array.of(tag, ...derLength(size)), ...contents])
}

function derLength(size: number): number[] {
  if (size < 0x80) return [size]
  const bytes = bigEndian(BigInt(size))
  return [0x80 | bytes.length, ...bytes]
}

/** Big-endian with a leading zero where the highest bit would make it negative. */
function unsigned(value: bigint): Uint8Array {
  const bytes = bigEndian(value)
  return Uint8Array.from((bytes[0] ?? 0x80) & 0x80 ? [0, ...bytes] : bytes)
}

function bigEndian(value: bigint): number[] {
  const bytes: number[] = []
  for (let rest = value; rest > 0n; rest >>= 8n) bytes.unshift(Number(rest & 0xffn))
  return bytes
}
