import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { access, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
/** No other version of Go is downloaded. */
const ENV = { ...process.env, GOTOOLCHAIN: 'local' }
const CACHE = fileURLToPath(new URL('../../../node_modules/.cache/kumiko/go-peer/', import.meta.url))

interface Program {
  readonly name: string
  /** The module's folder. */
  readonly folder: string
  /** The package, as `go build` has it. */
  readonly package: string
  /** What it depends on, in that folder. */
  readonly sources: RegExp
}

const OWN = /\.go$|^go\.(mod|sum)$/
const PEER: Program = { name: 'rlpx-peer', folder: folderOf('go'), package: '.', sources: OWN }
const DEVP2P: Program = { ...PEER, name: 'devp2p', package: 'github.com/ethereum/go-ethereum/cmd/devp2p', sources: /^go\.(mod|sum)$/ }
const LIBP2P: Program = { name: 'libp2p-peer', folder: folderOf('go-libp2p'), package: '.', sources: OWN }

function folderOf(name: string): string {
  return fileURLToPath(new URL(`../${name}/`, import.meta.url))
}

const built = new Map<Program, Promise<string | undefined>>()

/**
 * Builds the Go peer, once for each state of its sources and version of Go; the first time also downloads go-ethereum (a minute or so).
 *
 * @returns Where the program is, or undefined where Go is not installed, or older than the module asks for.
 * @throws Error with the compiler's words where the build fails.
 */
export function goPeerProgram(): Promise<string | undefined> {
  return buildOnce(PEER)
}

/** Builds go-ethereum's `devp2p` command, which holds the conformance suites; like {@link goPeerProgram}, but two minutes. */
export function devp2pProgram(): Promise<string | undefined> {
  return buildOnce(DEVP2P)
}

/** Builds the go-libp2p peer; like {@link goPeerProgram}. */
export function goLibp2pProgram(): Promise<string | undefined> {
  return buildOnce(LIBP2P)
}

function buildOnce(program: Program): Promise<string | undefined> {
  const before = built.get(program)
  if (before !== undefined) return before
  const now = build(program)
  built.set(program, now)
  return now
}

async function build({ name, folder, package: target, sources }: Program): Promise<string | undefined> {
  const version = await goVersion(folder)
  if (version === undefined) return undefined
  const cache = join(CACHE, await hashSources(version, folder, sources))
  const program = join(cache, process.platform === 'win32' ? `${name}.exe` : name)
  if (await exists(program)) return program
  await mkdir(cache, { recursive: true })
  const unfinished = `${program}.${process.pid}`
  try {
    await run('go', ['build', '-o', unfinished, target], { cwd: folder, env: ENV })
    await rename(unfinished, program) // two runs may build at once
  } finally {
    await rm(unfinished, { force: true })
  }
  return program
}

/** What programs of the module's depend on, or undefined where Go is not there or too old. */
async function goVersion(folder: string): Promise<string | undefined> {
  try {
    const { stdout } = await run('go', ['env', 'GOVERSION', 'GOOS', 'GOARCH', 'CGO_ENABLED'], { cwd: folder, env: ENV })
    const wanted = /^go (\S+)$/m.exec(await readFile(join(folder, 'go.mod'), 'utf8'))?.[1] ?? ''
    return isAtLeast(stdout.replace(/^go/, ''), wanted) ? stdout : undefined
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

/** Compares versions number by number. */
function isAtLeast(version: string, wanted: string): boolean {
  const has = numbersOf(version)
  const differing = numbersOf(wanted).findIndex((number, index) => number !== (has[index] ?? 0))
  return differing < 0 || (has[differing] ?? 0) > (numbersOf(wanted)[differing] ?? 0)
}

function numbersOf(version: string): number[] {
  return (version.match(/\d+/g) ?? []).map(Number)
}

async function hashSources(version: string, folder: string, sources: RegExp): Promise<string> {
  const hash = createHash('sha256').update(version)
  for (const name of (await readdir(folder)).sort()) {
    if (!sources.test(name)) continue
    hash.update(name).update(await readFile(join(folder, name)))
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

/** What a case prepares that needs the conformance suites. @returns Why the case is to be skipped, else nothing. */
export async function withoutSuites(): Promise<string | undefined> {
  return (await devp2pProgram()) === undefined ? NO_GO : undefined
}

/** What a case prepares that needs the go-libp2p peer. @returns Why the case is to be skipped, else nothing. */
export async function withoutGoLibp2p(): Promise<string | undefined> {
  return (await goLibp2pProgram()) === undefined ? 'Go 1.26 or newer is not installed' : undefined
}
