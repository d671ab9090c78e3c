import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { nodeDatabaseSymbol } from '@kumiko/interface'
import { type NodeDb, openNodeDb } from '@kumiko/node-db'
import { seeded } from '@kumiko/testkit'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { contentOf, keyOf, nodeOf } from './written.ts'

const ROUNDS = 6
/** Room for what one round writes. */
const ROUND_INDICES = 1_000_000

let folder: string
let path: string
let child: ChildProcess | undefined

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kumiko-kill-'))
  path = join(folder, 'db')
})

afterEach(async () => {
  child?.kill('SIGKILL')
  await rm(folder, { recursive: true })
})

describe('a process that is killed with -9 while it writes', () => {
  it('has lost nothing that it was told is written', async () => {
    const { below, seed } = seeded()
    const told: string[] = []
    for (let round = 0; round < ROUNDS; round++) {
      told.push(...(await writeAndKill(round * ROUND_INDICES, below(150))))
      await using db = await openNodeDb({ path })
      expect(await missing(db, told), `seed ${seed}, round ${round}`).toEqual([])
      expect(await halves(db), `seed ${seed}, round ${round}`).toEqual([])
      expect(await readdir(folder)).toEqual(['db'])
    }
    expect(told.filter((line) => line.startsWith('node')).length).toBeGreaterThan(ROUNDS)
    expect(told.length).toBeGreaterThan(100 * ROUNDS)
  })
})

describe('a disk that is full', () => {
  it.runIf(process.platform === 'linux')('fails writes, keeps what is there, and takes writes again once there is room', async () => {
    // A limit on the size of files fails writes in the middle, as a full disk does, and can be lifted.
    const lines = start(0)
    await until(lines, () => lines.length > 200)
    await limitFiles('1000')
    await until(lines, () => lines.filter((line) => line === 'failed').length > 20)
    const limited = lines.slice()
    await limitFiles('unlimited')
    await until(lines, () => lines.lastIndexOf('failed') < lines.length - 100)
    child?.kill('SIGKILL')
    await once(child ?? process, 'close')
    await using db = await openNodeDb({ path })
    expect(limited.filter((line) => line.startsWith('log:'))).toEqual([expect.stringContaining('make room on the disk')])
    expect(await missing(db, lines)).toEqual([])
    expect((await readdir(folder)).sort()).toEqual(['db'])
  })
})

describe('a disk that is full at the start', () => {
  it.runIf(process.platform === 'linux')('is a clear error', async () => {
    start(0, ['prlimit', '--fsize=0'], 'pipe')
    let text = ''
    child?.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
    })
    const [code] = await once(child ?? process, 'close')
    expect(code).toBe(1)
    expect(text).toContain('node-db/not-accessible')
    expect(text).toContain(`cannot use node database "${path}"`)
    expect(await readdir(folder)).toEqual(['db'])
  })
})

async function limitFiles(size: string): Promise<void> {
  await once(spawn('prlimit', ['--pid', String(child?.pid), `--fsize=${size}:unlimited`]), 'exit')
}

/** @returns What the writer told before it was killed, `delayMs` after its first word. */
async function writeAndKill(first: number, delayMs: number): Promise<string[]> {
  const lines = start(first)
  await until(lines, () => lines.length > 0)
  await setTimeout(delayMs)
  child?.kill('SIGKILL')
  await once(child ?? process, 'close')
  return lines
}

/** Starts the writer. @returns The lines that it has told so far, whole ones only; they grow. */
function start(first: number, under: readonly string[] = [], stderr: 'inherit' | 'pipe' = 'inherit'): string[] {
  const node = [process.execPath, '--conditions=@kumiko/source', join(import.meta.dirname, 'writer.ts'), path, String(first)]
  const [command = '', ...args] = [...under, ...node]
  child = spawn(command, args, { stdio: ['ignore', 'pipe', stderr] })
  const lines: string[] = []
  let rest = ''
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    const parts = (rest + chunk).split('\n')
    rest = parts.pop() ?? ''
    lines.push(...parts)
  })
  return lines
}

async function until(lines: readonly string[], check: () => boolean): Promise<void> {
  while (!check()) {
    if (child?.exitCode !== null) throw new Error(`the writer has ended: ${lines.slice(-3).join(', ')}`)
    await setTimeout(5)
  }
}

async function missing(db: NodeDb, told: readonly string[]): Promise<string[]> {
  const isThere = async (line: string): Promise<boolean> => {
    const [what, index] = [line.split(' ')[0], Number(line.split(' ')[1])]
    if (what === 'put') return (await db.has(keyOf(index))) && Buffer.compare(await db.get(keyOf(index)), contentOf(index)) === 0
    if (what === 'node') return (await db[nodeDatabaseSymbol].get('discv4', nodeOf(index).nodeId))?.lastPong !== undefined
    return true
  }
  const found = await Promise.all(told.map(isThere))
  return told.filter((_, at) => !found[at])
}

/** Batches of which one half only is there. */
async function halves(db: NodeDb): Promise<string[]> {
  const indices = async (prefix: string): Promise<string[]> => {
    const found: string[] = []
    for await (const key of db.queryKeys({ prefix })) found.push(key.name())
    return found.filter((index) => Number(index) % 3 === 0)
  }
  const [written, pairs] = [new Set(await indices('/written/')), new Set(await indices('/pair/'))]
  return [...[...written].filter((index) => !pairs.has(index)), ...[...pairs].filter((index) => !written.has(index))]
}
