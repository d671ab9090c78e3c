import { type Message, message, uint64 } from '@kumiko/fabric-protocol'

/** Where bytes are in the block files. */
export interface BlockLocation {
  /** The file's number: 0 is `blockfile_000000`. */
  readonly file: bigint
  /** In bytes from the file's start. */
  readonly offset: bigint
  readonly length: bigint
}

/** As the index keeps it. */
export const BlockLocation: Message<BlockLocation> = message<BlockLocation>('BlockLocation', {
  file: uint64(1),
  offset: uint64(2),
  length: uint64(3),
})
