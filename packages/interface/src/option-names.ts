import { KumikoError } from './errors.ts'

/**
 * Refuses options that are none. Types keep a TypeScript caller from them; in JavaScript a limit whose name has a typo would not hold, in silence.
 *
 * @param of - Whose options they are: `connectionManager`, `connectionManager.limits`.
 * @param known - Every name, so that the compiler sees that none is missing.
 * @throws KumikoError with `code`, naming the option and those that there are.
 */
export function checkOptionNames<T extends object>(code: string, of: string, options: T, known: Readonly<Record<keyof T, true>>): void {
  const option = Object.keys(options).find((name) => !Object.hasOwn(known, name))
  if (option === undefined) return
  throw new KumikoError(code, `${option} is no option of ${of}: want ${Object.keys(known).join(', ')}`, { context: { option } })
}

/**
 * Refuses numbers that cannot be meant: what is no number, NaN, or less than its least. `Infinity` passes; an option that is not given is not looked at.
 *
 * @param least - For each option that is a number.
 * @throws KumikoError with `code`, naming the option, its value and the least.
 */
export function checkOptionNumbers<T extends object>(
  code: string,
  of: string,
  options: T,
  least: { readonly [K in keyof T]?: number },
): void {
  for (const option in least) {
    const [value, minimum]: [unknown, number | undefined] = [options[option], least[option]]
    if (value === undefined || minimum === undefined || (typeof value === 'number' && value >= minimum)) continue
    throw new KumikoError(code, `${of} has ${option} ${String(value)}: want a number, ${minimum} or more`, { context: { option, value } })
  }
}
