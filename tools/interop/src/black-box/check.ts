import { Bench, type RunningTarget, type Target } from './bench.ts'

/** Why a check failed. Anything else that a check throws is a fault of the check. */
export class CheckFailure extends Error {
  override readonly name: string = 'CheckFailure'
}

/** One thing that a node must do. */
export interface Check {
  /** Unique in its suite; go-ethereum's name where its suite has the same test. */
  readonly name: string
  /** @throws CheckFailure. */
  run(bench: Bench): Promise<void>
}

/** How a check ended. */
export interface Verdict {
  readonly name: string
  readonly ok: boolean
  /** Where it failed. */
  readonly why?: string
}

/** Options of {@link runChecks}. */
export interface RunOptions {
  /** Of the tester's keys. The same seed twice against one node would find it acquainted. */
  readonly seed: string
  /** Only checks whose name matches. Default: all. */
  readonly only?: RegExp
}

/** Runs a suite against one node, check by check. */
export async function runChecks(checks: readonly Check[], target: Target, { seed, only = /^/ }: RunOptions): Promise<Verdict[]> {
  const verdicts: Verdict[] = []
  await using running = await target.start([])
  for (const check of checks) if (only.test(check.name)) verdicts.push(await runCheck(check, target, running, seed))
  return verdicts
}

/** @throws CheckFailure where it does not hold. */
export function demand(holds: boolean, why: string): asserts holds {
  if (!holds) throw new CheckFailure(why)
}

async function runCheck({ name, run }: Check, target: Target, running: RunningTarget, seed: string): Promise<Verdict> {
  const bench = new Bench(target, running, `${seed}/${name}`)
  try {
    await run(bench)
    return { name, ok: true }
  } catch (error) {
    if (!(error instanceof CheckFailure)) throw error
    return { name, ok: false, why: error.message }
  } finally {
    await bench.close()
  }
}
