const UNITS: ReadonlyMap<string, number> = new Map([
  ['ns', 1e-6],
  ['us', 1e-3],
  ['µs', 1e-3],
  ['μs', 1e-3],
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
])

/** Go counts nanoseconds in 63 bits: about 292 years. */
const DURATION_MS_MAX = 2 ** 63 / 1e6

/**
 * Reads a duration as Go writes it (`time.ParseDuration`): `500ms`, `1m30s`, `1.5h`.
 * @returns Milliseconds, maybe a fraction; undefined for anything else.
 */
export function parseDuration(text: string): number | undefined {
  const match = /^([-+]?)(?:0|((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+))$/.exec(text)
  if (match === null) return undefined
  let sum = 0
  for (const [, amount, unit] of (match[2] ?? '').matchAll(/([\d.]+)([a-zµμ]+)/g)) sum += Number(amount) * (UNITS.get(unit ?? '') ?? 0)
  if (sum >= DURATION_MS_MAX) return undefined
  return match[1] === '-' ? -sum : sum
}
