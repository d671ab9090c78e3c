import { killForeignChildren } from './foreign-child.ts'

/** One thing to prove with a real peer. */
export interface Case {
  /** `ours ↔ theirs: what`, unique. */
  readonly name: string
  /** What takes long but once, as building the peer; not under the deadline. @returns Why the case is to be skipped, else nothing. */
  prepare?(): Promise<string | undefined>
  /** Throws where it fails. @returns Why it is skipped, else nothing. */
  run(): Promise<string | undefined>
  /** Default 20,000. */
  readonly deadlineMs?: number
}

/** How a case ended. `known`: it failed, and known-failures.json says so. */
export interface Outcome {
  readonly name: string
  readonly status: 'ok' | 'FAIL' | 'skip' | 'known'
  readonly durationMs: number
  readonly why?: string
}

const DEADLINE_MS = 90_000

/** Runs a case to its end or deadline; peers that it leaves behind are killed, where it fails those too that others would use. @param known - It is expected to fail. */
export async function runCase(each: Case, known: boolean): Promise<Outcome> {
  const { name } = each
  const start = performance.now()
  const end = (status: Outcome['status'], why?: string): Outcome => ({
    name,
    status,
    durationMs: Math.round(performance.now() - start),
    ...(why === undefined ? {} : { why }),
  })
  try {
    const skipped = (await each.prepare?.()) ?? (await within(each.deadlineMs ?? DEADLINE_MS, each.run()))
    if (skipped !== undefined) return end('skip', skipped)
    return known ? end('FAIL', 'it passes now: take it out of known-failures.json') : end('ok')
  } catch (error) {
    killForeignChildren('cases')
    return end(known ? 'known' : 'FAIL', error instanceof Error ? error.message : String(error))
  } finally {
    killForeignChildren('case')
  }
}

async function within<T>(deadlineMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not done in ${deadlineMs} ms`)), deadlineMs)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
