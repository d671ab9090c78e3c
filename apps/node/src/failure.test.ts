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
