import { isFault } from '@kumiko/interface'

/** What must be there, and no fault: else the test fails. */
export function must<T>(value: T): Exclude<T, { readonly fault: string } | undefined> {
  if (value === undefined) throw new Error('nothing')
  if (isFault(value)) throw new Error(`${value.fault}: ${value.detail}`)
  // Narrowed by the checks.
  return value as Exclude<T, { readonly fault: string } | undefined>
}
