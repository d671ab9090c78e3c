/**
 * Orders text by its UTF-8 bytes, as Go orders strings. JavaScript's `<` goes by UTF-16 units, which puts U+10000 and above (surrogates,
 * 0xD800–0xDFFF) before U+E000–U+FFFF.
 * @returns Below 0, 0, or above 0, for `sort`. Text must be well formed: half a surrogate pair has no UTF-8.
 */
export function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let index = 0; index < length; index++) {
    const left = a.charCodeAt(index)
    const right = b.charCodeAt(index)
    if (left !== right) return rank(left) - rank(right)
  }
  return a.length - b.length
}

/** Orders bytes as Go's `bytes.Compare`. @returns Below 0, 0, or above 0, for `sort`. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length)
  for (let index = 0; index < length; index++) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/** Are the bytes the same? Not in constant time: for nothing secret. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && compareBytes(a, b) === 0
}

/** A UTF-16 unit's place: surrogates, which stand for the code points from U+10000 on, go above all others. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x1_0000 : unit
}
