import type { CheckedBatch } from './checked-batch.ts'

/** What a worker is told. */
export type ToWorker =
  /** `config`: a `common.Config`'s bytes. */
  | { readonly kind: 'configure'; readonly channelId: string; readonly config: Uint8Array }
  /** `bytes`: transactions one after the other, of these lengths; handed over. */
  | { readonly kind: 'check'; readonly batch: number; readonly lengths: readonly number[]; readonly bytes: ArrayBuffer }

/** What a worker answers. */
export interface FromWorker {
  readonly batch: number
  readonly checked: CheckedBatch
}

/** Transactions as they are handed to another thread: one buffer, for a buffer each would cost more. */
export function joinItems(items: readonly Uint8Array[]): { readonly lengths: readonly number[]; readonly bytes: ArrayBuffer } {
  const lengths = items.map(({ length }) => length)
  const bytes = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0))
  let offset = 0
  for (const item of items) {
    bytes.set(item, offset)
    offset += item.length
  }
  return { lengths, bytes: bytes.buffer }
}

/** Undoes {@link joinItems}. */
export function viewsOf(bytes: ArrayBuffer, lengths: readonly number[]): readonly Uint8Array[] {
  let offset = 0
  return lengths.map((length) => {
    const view = new Uint8Array(bytes, offset, length)
    offset += length
    return view
  })
}
