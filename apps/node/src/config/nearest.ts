/** A distance that a slip of the finger reaches. */
const DISTANCE_MAX = 3

/** @returns ` (did you mean "maxPeers"?)` for the name most like this one, or nothing. */
export function didYouMean(name: string, known: readonly string[]): string {
  const scored = known.map((candidate) => ({ candidate, far: distance(name.toLowerCase(), candidate.toLowerCase()) }))
  const nearest = scored.sort((a, b) => a.far - b.far)[0]
  const isNear = nearest !== undefined && nearest.far <= Math.min(DISTANCE_MAX, Math.floor(nearest.candidate.length / 2))
  return isNear ? ` (did you mean "${nearest.candidate}"?)` : ''
}

/** Letters to insert, delete or replace. @see Levenshtein 1965 */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1]
    for (const [j, other] of [...b].entries()) {
      next.push(Math.min((next[j] ?? 0) + 1, (row[j + 1] ?? 0) + 1, (row[j] ?? 0) + (letter === other ? 0 : 1)))
    }
    row = next
  }
  return row[b.length] ?? 0
}
