import { memoryStateDatabase, Simulator, withSnapshots } from '@kumiko/fabric-ledger'
import { expect, it } from 'vitest'
import { wordsOf } from './refusal.ts'

it('tells a chaincode what its state database has against a key, and no more', async () => {
  const state = withSnapshots(await memoryStateDatabase()(''))
  const refusal = (key: string) => (key.startsWith('_') ? `invalid key [${key}], cannot begin with "_"` : undefined)
  await using stack = new AsyncDisposableStack()
  const simulator = await Simulator.begin({ state: { snapshot: () => state.snapshot(), refusal } })
  stack.defer(() => simulator.close())
  const words = async (work: () => unknown) => {
    try {
      return await work()
    } catch (error) {
      return wordsOf(error, 'tx')
    }
  }
  expect(await words(() => simulator.setState('cc', '_a', Uint8Array.of(1)))).toBe('invalid key [_a], cannot begin with "_"')
  expect(await words(() => simulator.getState('cc', '_b'))).toBe('invalid key [_b], cannot begin with "_"')
})
