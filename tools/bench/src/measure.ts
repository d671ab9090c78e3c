import { setFlagsFromString } from 'node:v8'

/** User and system time of this process, in seconds. */
export function cpuSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

/**
 * Runs `once` again and again: a quarter of the time to warm up, then for `durationMs`.
 *
 * @returns Runs per CPU-second.
 */
export async function ratePerCpuSecond(durationMs: number, once: () => Promise<number>): Promise<number> {
  const run = async (forMs: number): Promise<number> => {
    let count = 0
    const cpu = cpuSeconds()
    for (const end = performance.now() + forMs; performance.now() < end; ) count += await once()
    return count / (cpuSeconds() - cpu)
  }
  await run(durationMs / 4)
  return await run(durationMs)
}

/**
 * As {@link ratePerCpuSecond}, where each run needs things made that are not to be measured.
 *
 * @param prepare - Makes what one run needs.
 * @param run - Is measured. @returns How many it did.
 */
export async function preparedRatePerCpuSecond<T>(
  durationMs: number,
  prepare: () => Promise<T>,
  run: (prepared: T) => Promise<number>,
): Promise<number> {
  await run(await prepare())
  let [count, cpu, elapsedMs] = [0, 0, 0]
  while (elapsedMs < durationMs) {
    const prepared = await prepare()
    const [cpuBefore, before] = [cpuSeconds(), performance.now()]
    count += await run(prepared)
    cpu += cpuSeconds() - cpuBefore
    elapsedMs += performance.now() - before
  }
  return count / cpu
}

/** Hands values from who has them to who waits for them, in order. */
export class Handover<T> {
  readonly #values: T[] = []
  readonly #waiting: ((value: T) => void)[] = []

  put(value: T): void {
    const waiting = this.#waiting.shift()
    if (waiting === undefined) this.#values.push(value)
    else waiting(value)
  }

  take(): Promise<T> {
    const value = this.#values.shift()
    return value === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(value)
  }
}

/** From now on nothing is compiled: code for functions that ran often would be weighed with what they made. */
export function withoutCompiling(): void {
  for (const flag of ['--no-opt', '--no-maglev', '--no-sparkplug']) setFlagsFromString(flag)
}

/** Bytes in use by JavaScript objects and by what they hold outside the heap, after collection. */
export function heapBytes(): number {
  for (let i = 0; i < 4; i++) globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
