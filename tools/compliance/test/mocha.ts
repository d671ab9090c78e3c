import { afterAll, afterEach, beforeAll, beforeEach, describe, test } from 'vitest'

/** The longest that a test of a suite may take, in place of what it sets itself. */
const TEST_MS = 120_000

/** What mocha offers a test as `this`; a suite has its `timeout`. */
interface MochaContext {
  timeout(ms: number): void
  skip(): void
}

type MochaTest = (this: MochaContext) => void | Promise<void>
type MochaSuite = (this: Pick<MochaContext, 'timeout'>) => void

/** What becomes of a suite's tests, by their names. */
export interface Selection {
  /** Those that apply. Default: all. */
  readonly only?: readonly string[]
}

/** Puts mocha's words among the globals, where the suites look for them. They hold until it is called again. */
export function offerMocha({ only }: Selection = {}): void {
  const isSelected = (name: string): boolean => only?.includes(name) ?? true
  const words = {
    describe: (title: string, run: MochaSuite): void => {
      if (countTests(run, isSelected, words) > 0) describe(title, () => callSuite(run))
    },
    it: (name: string, run: MochaTest): void => {
      if (isSelected(name)) declare(name, run)
    },
    before: hook(beforeAll),
    after: hook(afterAll),
    beforeEach: hook(beforeEach),
    afterEach: hook(afterEach),
  }
  Object.assign(globalThis, words)
}

type Hook = () => void | Promise<void>

/** mocha's hooks may have a title first. */
function hook(declare: (run: Hook) => void): (...titleAndRun: [Hook] | [string, Hook]) => void {
  return (...titleAndRun) => {
    const run = titleAndRun.at(-1)
    // What it returns is no clean-up here.
    if (typeof run === 'function') declare(async () => void (await run()))
  }
}

/** Counts without declaring: vitest refuses a suite that is left without tests. */
function countTests(suite: MochaSuite, isCounted: (name: string) => boolean, words: object): number {
  let count = 0
  const pass = (): void => {}
  const it = (name: string): void => {
    if (isCounted(name)) count++
  }
  const describe = (_title: string, inner: MochaSuite): void => callSuite(inner)
  Object.assign(globalThis, { describe, it, before: pass, after: pass, beforeEach: pass, afterEach: pass })
  callSuite(suite)
  Object.assign(globalThis, words)
  return count
}

function callSuite(run: MochaSuite): void {
  run.call({ timeout: () => {} })
}

function declare(name: string, run: MochaTest): void {
  test(name, { timeout: TEST_MS }, (context) => run.call({ timeout: () => {}, skip: () => context.skip() }))
}
