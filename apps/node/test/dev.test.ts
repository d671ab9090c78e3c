import { expect, test } from 'vitest'
import { cli, startCli } from './cli.ts'

const SUMMARY = /^(\d) nodes found each other through one bootnode: \d+ connections, every one with messages both ways, in \d+\.\d s$/m

test('--once ends well when all have found all by discovery and messages went both ways', async () => {
  const { exitCode, stdout, stderr } = await cli(['dev', '--once', '--nodes', '4'])
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
  expect(stdout).toMatch(SUMMARY)
  expect(stdout).toContain('node-1 is connected to node-2, node-3, node-4')
  expect(stdout.match(/^node-\d connected to node-\d$/gm)).toHaveLength(6)
  expect(stdout).not.toContain('\x1b')
  expect(stdout).not.toContain('lost')
})

test('--json tells the same in events, and each side of each connection was answered over both capabilities', async () => {
  const { exitCode, stdout } = await cli(['dev', '--once', '--json', '--nodes', '3'])
  const events = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  const count = (name: string): number => events.filter(({ event }) => event === name).length
  expect([exitCode, count('listening'), count('connected'), count('answered'), count('complete')]).toEqual([0, 4, 6, 12, 1])
  expect(events.at(-1)).toEqual({ event: 'stopped' })
  expect(events.at(-2)).toMatchObject({ event: 'complete', nodes: 3, connections: 3 })
})

test('--once fails when the time is up, and names the pairs that miss', async () => {
  const { exitCode, stderr } = await cli(['dev', '--once', '--nodes', '2', '--timeout', '0.001'])
  expect(exitCode).toBe(1)
  expect(stderr).toBe('kumiko: 1 pair of nodes is not through within 0.001 s: node-1 – node-2 (not connected); try a longer --timeout\n')
})

test.each(['SIGINT', 'SIGTERM'] as const)('%s ends it cleanly and soon', async (signal) => {
  const running = startCli(['dev', '--nodes', '3'])
  await running.line(SUMMARY)
  const begin = performance.now()
  const { exitCode, stderr } = await running.kill(signal)
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
  expect(performance.now() - begin).toBeLessThan(5_000)
})
