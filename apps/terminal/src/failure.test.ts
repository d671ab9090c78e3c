import { KumikoError } from '@kumiko/interface'
import { Command } from 'commander'
import { expect, test } from 'vitest'
import { failureOf } from './failure.ts'

const linesOf = (error: unknown) => failureOf('kumiko', error).lines

test('what is foreseen is told in one line, without steering the terminal', () => {
  expect(failureOf('kumiko', new KumikoError('x/y', 'it\n  failed \u001b[2J'))).toEqual({
    exitCode: 1,
    lines: ['kumiko: it failed \\x1b[2J'],
  })
  expect(linesOf(Object.assign(new Error('ENOENT: no such file'), { code: 'ENOENT' }))).toEqual(['kumiko: ENOENT: no such file'])
})

test('anything else is to be reported', () => {
  expect(linesOf(new TypeError('x is not a function'))).toEqual([
    'kumiko: unexpected: x is not a function (--verbose shows where; please report it)',
  ])
  expect(linesOf('text')).toEqual(['kumiko: unexpected: text (--verbose shows more)'])
})

test('why a part could not start is told, not which', () => {
  const cause = new KumikoError('rlpx/listen', 'port 30303 is in use')
  expect(linesOf(new KumikoError('host/start-failed', 'the part rlpx could not start', { cause }))).toEqual([
    'kumiko: port 30303 is in use',
  ])
})

test('what a channel halted for is told with it', () => {
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
  const ledger = new KumikoError('fabric-ledger/halted', 'the ledger halted', { cause: full })
  const channel = new KumikoError('fabric-committer/halted', 'the channel halted', { cause: ledger })
  expect(linesOf(channel)).toEqual(['kumiko: the channel halted (the ledger halted (ENOSPC: no space left on device, write))'])
})

test('what commander has told already is not told again; help is no failure', async () => {
  const program = new Command('kumiko').exitOverride().configureOutput({ writeOut: () => {}, writeErr: () => {} })
  const thrownFor = async (...args: readonly string[]) => await program.parseAsync(args, { from: 'user' }).catch((error: unknown) => error)
  expect(failureOf('kumiko', await thrownFor('--help'))).toEqual({ exitCode: 0, lines: [] })
  expect(failureOf('kumiko', await thrownFor('--nonsense'))).toEqual({ exitCode: 2, lines: [] })
})
