import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { KumikoError, type Millis } from '@kumiko/interface'

/** Broken databases that are kept for whoever wants to look into them; older ones are removed. */
const BROKEN_KEPT = 3

/** Why a database is not used: it is `broken`, or another program or version wrote it. */
export type Misfit = 'broken' | 'no-version' | `version-${number}`

/**
 * Moves a folder out of the way, to `<path>.<misfit>-<time>`. Of broken ones the newest three are kept; what is readable for another version is
 * never removed.
 *
 * @returns Where it is now.
 * @throws KumikoError `node-db/not-accessible`.
 */
export async function moveAside(path: string, misfit: Misfit, now: Millis): Promise<string> {
  const target = await freePath(`${path}.${misfit}-${stamp(now)}`)
  try {
    await rename(path, target)
  } catch (cause) {
    throw notAccessible(path, `cannot move what is there to "${target}" (${codeOf(cause)})`, cause)
  }
  await removeOldest(path)
  return target
}

/** Makes the folder where it is missing. @throws KumikoError `node-db/not-accessible`. */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw notAccessible(path, codeOf(cause) === 'EEXIST' ? 'it is a file' : codeOf(cause), cause)
  }
}

/** @returns KumikoError `node-db/not-accessible`. */
export function notAccessible(path: string, why: string, cause: unknown): KumikoError {
  const message = `cannot use node database "${path}" (${why}): make the folder writable and see that the disk has room, or choose another path`
  return new KumikoError('node-db/not-accessible', message, { context: { path }, cause })
}

/** The system's name of an error (`EACCES`), or what it says. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message
}

/** 20261121T115005Z */
function stamp(now: Millis): string {
  return new Date(now).toISOString().replaceAll(/[-:]|\.\d+/g, '')
}

/** The first of `path`, `path-2`, … that is not there; the loop ends since there are finitely many files. */
async function freePath(path: string): Promise<string> {
  const taken = new Set(await readdir(dirname(path)).catch((): string[] => []))
  for (let count = 1; ; count++) {
    const name = count === 1 ? basename(path) : `${basename(path)}-${count}`
    if (!taken.has(name)) return join(dirname(path), name)
  }
}

/** Failing is no reason not to start: the copies are only in the way. */
async function removeOldest(path: string): Promise<void> {
  const prefix = `${basename(path)}.broken-`
  const names = await readdir(dirname(path)).catch((): string[] => [])
  const copies = names.filter((name) => name.startsWith(prefix) && /^\d{8}T\d{6}Z(-\d+)?$/.test(name.slice(prefix.length))).sort(byAge)
  for (const name of copies.slice(0, -BROKEN_KEPT)) await rm(join(dirname(path), name), { recursive: true, force: true }).catch(() => {})
}

/** By time, then by number: `…Z` before `…Z-2` before `…Z-10`. */
function byAge(a: string, b: string): number {
  return a.length - b.length === 0 || a.slice(0, b.indexOf('Z')) !== b.slice(0, b.indexOf('Z')) ? (a < b ? -1 : 1) : a.length - b.length
}
