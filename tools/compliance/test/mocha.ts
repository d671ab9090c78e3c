import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'

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
  /** Those that our part is meant to fail, with the code of its KumikoError: no other outcome passes. Default: none. */
  readonly refusals?: Readonly<Record<string, string>>
}

/** Puts mocha's words among the globals, where the suites look for them. They hold until it is called again. */
export function offerMocha({ only, refusals = {} }: Selection = {}): void {
  const isSelected = (name: string): boolean => only?.includes(name) ?? true
  const words = {
    describe: (title: string, run: MochaSuite): void => {
      if (countTests(run, isSelected, words) > 0) describe(title, () => callSuite(run))
    },
    it: (name: string, run: MochaTest): void => {
      if (isSelected(name)) declare(name, run, refusals[name])
    },
    before: beforeAll,
    after: afterAll,
    beforeEach,
    afterEach,
  }
  Object.assign(globalThis, words)
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

function declare(name: string, run: MochaTest, refusal: string | undefined): void {
  const title = refusal === undefined ? name : `${name} (refused: ${refusal})`
  test(title, { timeout: TEST_MS }, async (context) => {
    const failure = await failureOf(() => run.call({ timeout: () => {}, skip: () => context.skip() }))
    if (refusal !== undefined) expect(failure).toMatchObject({ code: refusal })
    else if (failure !== undefined) throw failure
  })
}

/** Not `expect(…).rejects`: the suites' chai is vitest's, and chai-as-promised has changed it. */
async function failureOf(run: () => void | Promise<void>): Promise<unknown> {
  try {
    await run()
    return undefined
  } catch (error) {
    return error
  }
}
