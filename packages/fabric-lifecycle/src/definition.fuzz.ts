import { isFault } from '@kumiko/interface'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { definitionRecord, readChaincodeDefinition } from './chaincode-definition.ts'
import { CollectionConfigPackage } from './collection.ts'
import { recordWrites, StateMetadata } from './state-record.ts'

const bytes = fc.uint8Array({ maxLength: 40 })
const what = StateMetadata.encode({ datatype: 'ChaincodeDefinition', fields: [] })
const collection = fc.record({
  name: fc.string({ unit: 'grapheme' }).filter((text) => text.isWellFormed()),
  memberOrgsPolicy: fc.option(fc.record({ signaturePolicy: fc.option(bytes, { nil: undefined }) }), { nil: undefined }),
  requiredPeerCount: fc.integer(),
  maximumPeerCount: fc.integer(),
  blockToLive: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  memberOnlyRead: fc.boolean(),
  memberOnlyWrite: fc.boolean(),
  endorsementPolicy: fc.option(bytes, { nil: undefined }),
})
const definition = fc.record({
  sequence: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
  endorsementInfo: fc.record({ version: fc.string(), initRequired: fc.boolean(), endorsementPlugin: fc.string() }),
  validationInfo: fc.record({ validationPlugin: fc.string(), validationParameter: bytes }),
  collections: fc.record({ config: fc.array(fc.record({ staticCollection: fc.option(collection, { nil: undefined }) })) }),
})

describe('definitions', () => {
  it('are read from any bytes, or at fault', () => {
    fc.assert(
      fc.property(fc.array(bytes, { minLength: 4, maxLength: 4 }), (fields) => {
        const read = readChaincodeDefinition([what, ...fields])
        expect(isFault(read) || typeof read?.sequence === 'bigint').toBe(true)
      }),
    )
  })

  it('are read as they are written', () => {
    fc.assert(
      fc.property(definition, (given) => {
        const writes = recordWrites(definitionRecord('cc', given), () => undefined)
        if (isFault(writes)) throw new Error(writes.detail)
        const [metadata, fields] = [writes.at(-1), writes.slice(0, -1)]
        expect(readChaincodeDefinition([metadata, ...fields].map((write) => write?.value))).toEqual(given)
      }),
    )
  })

  it('hold collections of any bytes, or are at fault', () => {
    fc.assert(fc.property(bytes, (source) => void CollectionConfigPackage.decode(source)))
  })
})
