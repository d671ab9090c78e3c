import type { StateReader, VersionedValue } from '@kumiko/fabric-ledger'
import { definitionRecord, recordWrites } from '@kumiko/fabric-lifecycle'
import { must } from '@kumiko/testkit'
import { describe, expect, it } from 'vitest'
import { CHANNEL_ID, goldenBlock } from '../test/golden.ts'
import { text } from '../test/network.ts'
import { readGenesis } from './block-intake.ts'
import { ChaincodeRulebook } from './chaincode-rules.ts'

const bundle = must(readGenesis(goldenBlock(0), CHANNEL_ID))

/** A state that holds values by namespace and key, and counts how often it is read. */
class CountingState implements Pick<StateReader, 'getMany'> {
  readonly values = new Map<string, Uint8Array>()
  reads = 0

  define(chaincode: string, plugin: string, policy: Uint8Array): void {
    const record = definitionRecord(chaincode, {
      sequence: 1n,
      endorsementInfo: { version: '1.0', initRequired: false, endorsementPlugin: 'escc' },
      validationInfo: { validationPlugin: plugin, validationParameter: policy },
      collections: { config: [] },
    })
    for (const { key, value } of must(recordWrites(record, () => undefined))) this.values.set(`_lifecycle ${key}`, must(value))
  }

  async getMany(keys: readonly { readonly namespace: string; readonly key: string }[]): Promise<readonly (VersionedValue | undefined)[]> {
    this.reads++
    return keys.map(({ namespace, key }) => {
      const value = this.values.get(`${namespace} ${key}`)
      return value && { value, metadata: new Uint8Array(), version: { blockNumber: 1n, transactionNumber: 0n } }
    })
  }
}

describe('ChaincodeRulebook', () => {
  it('reads all that is not known at once, and nothing twice', async () => {
    const state = new CountingState()
    state.define('a', 'vscc', text('odd'))
    const rulebook = new ChaincodeRulebook(bundle)
    await rulebook.prepare(['a', 'b', '_lifecycle'], state)
    await rulebook.prepare(['b', 'a'], state)
    expect(state.reads).toBe(1)
    expect([rulebook.of('a')?.policy, rulebook.of('b')]).toMatchObject([{ fault: expect.any(String) }, undefined])
    state.define('b', 'vscc', text('odd'))
    rulebook.forget()
    await rulebook.prepare(['b'], state)
    expect(rulebook.of('b')).toBeDefined()
    expect(() => rulebook.of('a')).toThrow('prepare it first')
  })

  it('stops at a chaincode that only lscc defines, as nobody here can judge it', async () => {
    const state = new CountingState()
    state.values.set('lscc old', text('its data'))
    await expect(new ChaincodeRulebook(bundle).prepare(['old'], state)).rejects.toMatchObject({
      code: 'fabric-committer/cannot-validate',
      context: { chaincode: 'old', fault: 'fabric-committer/legacy-chaincode' },
    })
    state.define('old', 'vscc', text('odd'))
    const rulebook = new ChaincodeRulebook(bundle)
    await rulebook.prepare(['old'], state)
    expect(rulebook.of('old')).toBeDefined()
  })
})
