import { Bench, type Target } from './bench.ts'
import { CheckFailure } from './demand.ts'

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
  /** What happens in the node's own time, as meeting its neighbours, may take so long. Default 60,000, as in go-ethereum's suites. */
  readonly patienceMs?: number
  /** Only checks whose name matches. Default: all. */
  readonly only?: RegExp
}

/** Runs a suite against one node, check by check. */
export async function runChecks(
  checks: readonly Check[],
  target: Target,
  { seed, patienceMs = 60_000, only = /^/ }: RunOptions,
): Promise<Verdict[]> {
  const verdicts: Verdict[] = []
  await using running = await target.start([])
  for (const check of checks) {
    if (!only.test(check.name)) continue
    const bench = new Bench(target, { seed: `${seed}/${check.name}`, patienceMs }, running)
    verdicts.push(await runCheck(check, bench))
  }
  return verdicts
}

async function runCheck({ name, run }: Check, bench: Bench): Promise<Verdict> {
  try {
    await run(bench).finally(() => bench.rethrow()) // a bystander that failed is why the check waited in vain
    return { name, ok: true }
  } catch (error) {
    if (!(error instanceof CheckFailure)) throw error
    return { name, ok: false, why: error.message }
  } finally {
    await bench.close()
  }
}
