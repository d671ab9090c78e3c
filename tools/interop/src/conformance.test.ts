import { expect, test } from 'vitest'
import { parseTap } from './conformance.ts'

test('results and logs are told apart', () => {
  expect(parseTap('1..2\nok 1 Ping/Basic\nnot ok 2 Ping\n# first\n# second: not ok 3 Other\n')).toEqual([
    { name: 'Ping/Basic', ok: true, log: [] },
    { name: 'Ping', ok: false, log: ['first', 'second: not ok 3 Other'] },
  ])
})

test('a run that ended early is not taken for a whole one', () => {
  expect(parseTap('1..2\nok 1 Ping/Basic\n')).toBeUndefined()
  expect(parseTap('no such command\n')).toBeUndefined()
})
