import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

async function simulate(...args: readonly string[]): Promise<string> {
  const main = join(import.meta.dirname, 'simulate.ts')
  return (await promisify(execFile)(process.execPath, ['--conditions=@kumiko/source', main, ...args])).stdout
}

test('the tool gives a line for each size, and the same figures for the same seed', async () => {
  const run = async (): Promise<Record<string, unknown>[]> => {
    const lines = (await simulate('--nodes', '20,40', '--lookups', '50', '--seed', '7', '--json')).trim().split('\n')
    return lines.map((line) => ({ ...(JSON.parse(line) as Record<string, unknown>), cpuSeconds: 0, memoryMiB: 0 }))
  }
  const [first, second] = await Promise.all([run(), run()])
  expect(first).toEqual(second)
  expect(first).toMatchObject([
    { nodes: 20, lookups: 50, found: 1 },
    { nodes: 40, lookups: 50, found: 1 },
  ])
})

test('a wrong command is told in a line', async () => {
  for (const [args, line] of [
    [['--nodes', '1'], 'bad --nodes "1": want a whole number from 2 to 12000: see --help\n'],
    [['--loss', '1'], 'bad --loss "1": want a number from 0 to 0.9: see --help\n'],
    [['--node', '40'], "Unknown option '--node': see --help\n"],
  ] as const) {
    await expect(simulate(...args)).rejects.toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(line) })
  }
  expect(await simulate('--help')).toContain('--restart <share>')
})
