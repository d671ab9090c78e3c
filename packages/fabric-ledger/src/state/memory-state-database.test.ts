import { describe, expect, it } from 'vitest'
import { stateDatabaseContract } from '../testing/state-database-contract.ts'
import { memoryStateDatabase } from './memory-state-database.ts'

stateDatabaseContract({ describe, it }, async () => ({ database: await memoryStateDatabase()('') }))

describe('a state database in memory', () => {
  it('keeps bytes of its own', async () => {
    const database = await memoryStateDatabase()('')
    const value = Uint8Array.of(1)
    const version = { blockNumber: 0n, transactionNumber: 0n }
    await database.apply([{ namespace: 'cc', key: 'a', value, metadata: value, version }], 1n)
    value[0] = 2
    const [found] = await database.getMany([{ namespace: 'cc', key: 'a' }])
    expect(found).toEqual({ key: 'a', value: Uint8Array.of(1), metadata: Uint8Array.of(1), version })
  })
})
