import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const MAIN = join(import.meta.dirname, '../src/main.ts')

function run(...args: string[]): { readonly status: number | null; readonly lines: string[] } {
  const { status, stdout } = spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8' })
  return { status, lines: stdout.trimEnd().split('\n') }
}

const PURE = (folder: string) =>
  `a pure file uses no node:*, time, timers, randomness or process (or is listed in kumiko.impure of ${folder}/package.json)`

describe('the layer check', () => {
  it('finds every planted violation, and nothing else', () => {
    const { status, lines } = run(join(import.meta.dirname, 'planted'))
    const keys = 'packages/keys'
    const wire = 'packages/wire'
    expect(lines).toEqual([
      `${keys}/src/key.ts:2 imports node:fs: ${PURE(keys)}`,
      `${keys}/src/key.ts:3 imports @planted/wire: layer:data does not import layer:protocol, which is above`,
      `${keys}/src/key.ts:4 imports ./index.ts: a file does not import its own barrel`,
      `${keys}/src/key.ts:7 imports @planted/wire: layer:data does not import layer:protocol, which is above`,
      `${keys}/src/key.ts:10 uses Date: ${PURE(keys)}`,
      `${keys}/src/key.ts:10 uses Math.random: ${PURE(keys)}`,
      `${keys}/src/key.ts:10 uses performance.now: ${PURE(keys)}`,
      `${keys}/src/key.ts:11 uses globalThis.setTimeout: ${PURE(keys)}`,
      `${wire}/src/machine.test.ts:5 imports stray: what is imported is declared in ${wire}/package.json`,
      `${wire}/src/machine.ts:3 imports @planted/ledger: side:ethereum does not import side:fabric`,
      `${wire}/src/machine.ts:4 imports stray: what is imported is declared in ${wire}/package.json`,
      `${wire}/src/machine.ts:5 imports (computed): an import names its module`,
      `${wire}/src/machine.ts:6 imports ../../keys/src/key.ts: a relative import stays in its package`,
      `${wire}/src/machine.ts:7 imports @planted/lab: what is imported is declared in ${wire}/package.json`,
      `${wire}/src/machine.ts:8 imports @planted/wire: a file does not import its own barrel`,
      `${wire}/src/machine.ts:9 uses setInterval: ${PURE(wire)}`,
      `${keys}/package.json:1 lists src/gone.ts: what kumiko.pure and kumiko.impure list exists`,
      'layers: 4 packages, 9 files, 17 broken',
    ])
    expect(status).toBe(1)
  })
})
