import { compareUtf8 } from '@kumiko/fabric-protocol'

/** An entry, or in its stead what deletes it. */
export interface Change<Entry> {
  readonly key: string
  /** Undefined where the key is deleted. */
  readonly entry: Entry | undefined
}

/** Entries of a piece at most: what a change copies. */
const PIECE_MAX = 256

/**
 * Entries by their keys' UTF-8, that never change: {@link with} makes others, which share what is the same. So a range can be read at leisure.
 * Pieces of at most 256 entries; finding one takes the logarithm of their count.
 */
export class SortedEntries<Entry extends { readonly key: string }> {
  /** None is empty. */
  readonly #pieces: readonly (readonly Entry[])[]

  constructor(pieces: readonly (readonly Entry[])[] = []) {
    this.#pieces = pieces
  }

  /** Undefined where the key is absent. */
  get(key: string): Entry | undefined {
    const piece = this.#pieces[this.#pieceOf(key)] ?? []
    const entry = piece[placeIn(piece, key)]
    return entry?.key === key ? entry : undefined
  }

  /** From a key on. */
  *from(startKey: string): Generator<Entry> {
    let index = this.#pieceOf(startKey)
    let piece = this.#pieces[index]
    let at = placeIn(piece ?? [], startKey)
    while (piece !== undefined) {
      yield* at === 0 ? piece : piece.slice(at)
      piece = this.#pieces[++index]
      at = 0
    }
  }

  /** The same with changes. @param changes - Each key once, in any order. */
  with(changes: readonly Change<Entry>[]): SortedEntries<Entry> {
    const ordered = changes.toSorted((a, b) => compareUtf8(a.key, b.key))
    const pieces: (readonly Entry[])[] = []
    let at = 0
    for (const [index, piece] of this.#pieces.entries()) {
      const next = this.#pieces[index + 1]?.[0]?.key
      const begin = at
      while (at < ordered.length && (next === undefined || compareUtf8(ordered[at]?.key ?? '', next) < 0)) at++
      pieces.push(...(at === begin ? [piece] : split(merge(piece, ordered.slice(begin, at)))))
    }
    if (this.#pieces.length === 0) pieces.push(...split(merge([], ordered)))
    return new SortedEntries(pieces)
  }

  /** The index of the last piece that begins at or before a key; 0 where none does. */
  #pieceOf(key: string): number {
    let [low, high] = [0, this.#pieces.length - 1]
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if (compareUtf8(this.#pieces[middle]?.[0]?.key ?? '', key) <= 0) low = middle
      else high = middle - 1
    }
    return low
  }
}

/** The index of the first entry at or after a key. */
function placeIn(piece: readonly { readonly key: string }[], key: string): number {
  let [low, high] = [0, piece.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareUtf8(piece[middle]?.key ?? '', key) < 0) low = middle + 1
    else high = middle
  }
  return low
}

function merge<Entry extends { readonly key: string }>(piece: readonly Entry[], changes: readonly Change<Entry>[]): Entry[] {
  const merged: Entry[] = []
  let at = 0
  for (const { key, entry } of changes) {
    const place = placeIn(piece, key)
    merged.push(...piece.slice(at, place))
    at = piece[place]?.key === key ? place + 1 : place
    if (entry !== undefined) merged.push(entry)
  }
  merged.push(...piece.slice(at))
  return merged
}

/** Into pieces of one size about, none too large, none empty. */
function split<Entry>(entries: readonly Entry[]): (readonly Entry[])[] {
  const count = Math.ceil(entries.length / PIECE_MAX)
  const size = Math.ceil(entries.length / count)
  return Array.from({ length: count }, (_, index) => entries.slice(index * size, (index + 1) * size))
}
