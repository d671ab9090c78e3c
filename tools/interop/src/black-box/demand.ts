/** Why a check failed. Anything else that a check throws is a fault of the check. */
export class CheckFailure extends Error {
  override readonly name: string = 'CheckFailure'
}

/** @throws CheckFailure where it does not hold. */
export function demand(holds: boolean, why: string): asserts holds {
  if (!holds) throw new CheckFailure(why)
}

/** Polls until it holds. @throws CheckFailure after that time, telling what was waited for. */
export async function until(holds: () => boolean, waitMs: number, what: string | (() => string)): Promise<void> {
  const end = performance.now() + waitMs
  while (!holds()) {
    demand(performance.now() < end, `waited ${waitMs} ms for ${typeof what === 'string' ? what : what()}`)
    await pause(20)
  }
}

export async function pause(durationMs: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, durationMs))
}
