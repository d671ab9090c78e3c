import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const HANGING = join(import.meta.dirname, 'hanging.ts')

/** Runs a process that hangs, and then has nothing left to do. */
async function hang(how: 'busy' | 'debugger' | 'nothing') {
  return await promisify(execFile)(process.execPath, ['--conditions=@kumiko/source', HANGING, how], { timeout: 120_000 })
}

test('a process that hangs is told of from another thread, with the place, and ends by itself', async () => {
  const { stdout, stderr } = await hang('busy')
  const [told, over] = stderr.split('\n')
  expect(told).toMatch(
    /^kumiko: the test has not left the processor for 0\.5 s, at .*hanging\.ts:\d+:\d+ \(spin\): .* kill -9 \d+, and mend the loop$/,
  )
  expect([over, stdout]).toEqual(['kumiko: the process goes on', 'done\n'])
})

test('a process that a debugger has stopped does not hang, nor does one that runs nothing', async () => {
  expect(await Promise.all([hang('debugger'), hang('nothing')])).toEqual(Array(2).fill({ stdout: 'done\n', stderr: '' }))
})
