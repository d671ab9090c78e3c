import { KumikoError } from '@kumiko/interface'
import { expect, test } from 'vitest'
import { failureOf, StoppedError, UsageError } from './failure.ts'

test('exit codes: failed, a wrong command line, stopped before the end', () => {
  expect(failureOf(new KumikoError('node/x', 'it failed'))).toEqual({ exitCode: 1, lines: ['kumiko: it failed'] })
  expect(failureOf(new UsageError('want x'))).toEqual({ exitCode: 2, lines: ['kumiko: want x'] })
  expect(failureOf(new StoppedError('stopped after block 7; run it again to go on'))).toEqual({
    exitCode: 3,
    lines: ['kumiko: stopped after block 7; run it again to go on'],
  })
})

test('what a channel halted for is told with it', () => {
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
  const ledger = new KumikoError('fabric-ledger/halted', 'the ledger halted', { cause: full })
  const channel = new KumikoError('fabric-committer/halted', 'the channel halted', { cause: ledger })
  expect(failureOf(channel).lines).toEqual(['kumiko: the channel halted (the ledger halted (ENOSPC: no space left on device, write))'])
})
