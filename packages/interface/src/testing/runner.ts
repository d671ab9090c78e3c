/** What a suite needs of a test runner. vitest, jest, mocha and `node:test` all have it. */
export interface TestRunner {
  describe(name: string, define: () => void): unknown
  it(name: string, run: () => Promise<void>): unknown
}

/** What a suite tests, made anew for each of its tests. */
export interface Subject {
  /** Frees what the subject holds. Called at the end of each test, whatever came of it. */
  free?(): Promise<void> | void
}

/** Makes what is to be tested. */
export type SubjectFactory<S extends Subject> = () => Promise<S> | S

/** A test with a subject of its own. */
export function testWith<S extends Subject>(
  runner: TestRunner,
  factory: SubjectFactory<S>,
): (name: string, run: (subject: S) => Promise<void> | void) => void {
  return (name, run) => {
    runner.it(name, async () => {
      const subject = await factory()
      try {
        await run(subject)
      } finally {
        await subject.free?.()
      }
    })
  }
}

/** How long real sockets are waited for. */
const PATIENCE_MS = 60_000

/** Waits until `check` is true, or fails with what was waited for. */
export async function eventually(what: string, check: () => boolean): Promise<void> {
  const lastMs = performance.now() + PATIENCE_MS
  while (!check()) {
    if (performance.now() > lastMs) throw new Error(`waited ${PATIENCE_MS} ms in vain: ${what}`)
    await turns(1)
  }
}

/** Lets everything that is ready run, some turns of the event loop. */
export async function turns(count = 5): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setTimeout(resolve, 1))
}
