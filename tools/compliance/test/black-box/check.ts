import type { Stage } from './stage.ts'

/** One thing that js-libp2p's documentation says of a node, and how to see whether it holds. */
export interface Check {
  /** `area: what holds`. Unique. */
  readonly name: string
  /** What is seen where it holds: plain data, compared whole. */
  readonly documented: unknown
  /** Looks, and tells what is seen. What it throws is seen as `{ thrown: name }`. */
  readonly look: (stage: Stage) => Promise<unknown>
}

/** Makes a check of what it is. */
export function check(name: string, documented: unknown, look: (stage: Stage) => Promise<unknown>): Check {
  return { name, documented, look }
}

/** What an error is called: its name, or the code where the name is that of all our errors. */
export function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.name === 'KumikoError' && 'code' in error ? String(error.code) : error.name
}

/** How a promise ends: the name of its error, or `no error`. */
export async function errorOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'no error'
  } catch (error) {
    return nameOf(error)
  }
}

/** Waits until something holds. @throws Error after 30 s, with what was waited for. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + UNTIL_MS
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`waited in vain until ${what}`)
    await pause(3)
  }
}

/** Lets time pass: only where something must not come. */
export async function pause(durationMs: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, durationMs))
}

const UNTIL_MS = 30_000
