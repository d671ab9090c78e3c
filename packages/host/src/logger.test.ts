import { disable, enable } from '@libp2p/logger'
import { afterEach, expect, test, vi } from 'vitest'
import { lazyLogger } from './logger.ts'

const written: string[] = []

function capture(): void {
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    written.push(String(text).trim())
    return true
  })
}

afterEach(() => {
  vi.restoreAllMocks()
  written.length = 0
  disable()
})

test('writes what is enabled, under the scope, also when it is enabled later', () => {
  capture()
  const log = lazyLogger().forComponent('kumiko:one').newScope('two')
  log('unheard')
  expect(log.enabled).toBe(false)
  enable('kumiko:one:*')
  log('number %d', 7)
  log.error('went wrong - %e', new Error('sour'))
  log.trace('not asked for by name')
  expect(log.enabled).toBe(true)
  expect(written.map((line) => line.replace(/^\S+ /, '').split('\n')[0])).toEqual([
    expect.stringContaining('kumiko:one:two number 7'),
    expect.stringContaining('kumiko:one:two:error went wrong - '),
  ])
})

test('traces where that is asked for by name', () => {
  capture()
  const log = lazyLogger().forComponent('kumiko:one')
  enable('kumiko:one:trace')
  log('unheard')
  log.trace('heard')
  expect(written).toEqual([expect.stringContaining('kumiko:one:trace heard')])
})
