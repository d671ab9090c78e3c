import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { access, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const SOURCES = fileURLToPath(new URL('../go/', import.meta.url))
const CACHE = fileURLToPath(new URL('../../../node_modules/.cache/kumiko/go-peer/', import.meta.url))

let built: Promise<string | undefined> | undefined

/**
 * Builds the Go peer, once for each state of its sources and version of Go; the first time also downloads go-ethereum (a minute or so).
 *
 * @returns Where the program is, or undefined where Go is not installed.
 * @throws Error with the compiler's words where the build fails.
 */
export function goPeerProgram(): Promise<string | undefined> {
  built ??= build()
  return built
}

async function build(): Promise<string | undefined> {
  const version = await goVersion()
  if (version === undefined) return undefined
  const folder = join(CACHE, await hashSources(version))
  const program = join(folder, process.platform === 'win32' ? 'rlpx-peer.exe' : 'rlpx-peer')
  if (await exists(program)) return program
  await mkdir(folder, { recursive: true })
  const unfinished = `${program}.${process.pid}`
  try {
    await run('go', ['build', '-o', unfinished, '.'], { cwd: SOURCES })
    await rename(unfinished, program) // two runs may build at once
  } finally {
    await rm(unfinished, { force: true })
  }
  return program
}

async function goVersion(): Promise<string | undefined> {
  try {
    return (await run('go', ['env', 'GOVERSION', 'GOOS', 'GOARCH', 'CGO_ENABLED'], { cwd: SOURCES })).stdout
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

async function hashSources(version: string): Promise<string> {
  const hash = createHash('sha256').update(version)
  for (const name of (await readdir(SOURCES)).sort()) {
    if (!/\.go$|^go\.(mod|sum)$/.test(name)) continue
    hash.update(name).update(await readFile(join(SOURCES, name)))
  }
  return hash.digest('hex').slice(0, 16)
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  )
}

/** Why a case is skipped that needs the Go peer. */
export const NO_GO = 'Go is not installed'

/** What such a case prepares: builds the peer. @returns Why the case is to be skipped, else nothing. */
export async function withoutGo(): Promise<string | undefined> {
  return (await goPeerProgram()) === undefined ? NO_GO : undefined
}
