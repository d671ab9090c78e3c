import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Example, examplesOf } from '../src/readme.ts'

/** How long an example may take. */
const TIMEOUT_MS = 120_000

const root = join(import.meta.dirname, '../../..')
const packages = globSync('packages/*/package.json', { cwd: root }).map((path) => join(dirname(path), 'README.md'))

describe.each(packages.sort())('%s', (path) => {
  it('has an example', () => expect(examplesIn(path).length).toBeGreaterThan(0))
})

describe('the example at', () => {
  for (const path of ['README.md', 'apps/chat/README.md', ...packages]) {
    for (const example of examplesIn(path)) {
      it(
        `${path}:${example.line}`,
        () => expect(run(example, join(root, dirname(path)))).toEqual({ status: 0, errors: '' }),
        TIMEOUT_MS + 30_000,
      )
    }
  }
})

function examplesIn(path: string): Example[] {
  return existsSync(join(root, path)) ? examplesOf(readFileSync(join(root, path), 'utf8')) : []
}

/** Runs an example in its package's folder, with the README's line numbers. */
function run({ code, line }: Example, cwd: string): { readonly status: number | string | null; readonly errors: string } {
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    ['--conditions=@kumiko/source', '--disable-warning=ExperimentalWarning', '--input-type=module-typescript'],
    { cwd, input: '\n'.repeat(line - 1) + code, encoding: 'utf8', timeout: TIMEOUT_MS },
  )
  return { status: signal ?? status, errors: status === 0 ? '' : stdout + stderr }
}
