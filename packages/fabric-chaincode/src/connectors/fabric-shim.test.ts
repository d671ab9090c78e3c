import { createRequire } from 'node:module'
import { afterEach, expect, it, vi } from 'vitest'
import { loadFabricShim } from './fabric-shim.ts'

interface Logger {
  level: string
  debug(told: string): void
  write(info: unknown): boolean
}

const require = createRequire(createRequire(import.meta.url).resolve('fabric-shim'))

afterEach(() => vi.restoreAllMocks())

it('has loggers put together only what they tell', () => {
  loadFabricShim()
  const { getLogger } = require('fabric-contract-api/lib/logger') as { getLogger(name: string): Logger }
  const logger = getLogger('./lib/jsontransactionserializer.js')
  const write = vi.spyOn(logger, 'write').mockReturnValue(true)
  logger.debug('a value')
  expect(write).not.toHaveBeenCalled()
  logger.level = 'debug'
  logger.debug('a value')
  expect(write).toHaveBeenCalledOnce()
  logger.level = 'info'
})
