import { blockHash, readBlock, writeBlock } from '@kumiko/fabric-protocol'
import { ordererBlock } from '@kumiko/golden-channel'
import { isFault } from '@kumiko/interface'
import { must } from '@kumiko/testkit'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { goldenBlock } from '../test/golden.ts'
import { checkNextBlock, readGenesis } from './block-intake.ts'

const bundle = must(readGenesis(goldenBlock(0), 'mychannel'))
const NUMBER = 4

function endBefore(number: number) {
  return { height: BigInt(number), currentHash: blockHash(goldenBlock(number - 1).header) }
}

describe('a block with a mistake', () => {
  const bytes = ordererBlock(NUMBER)
  const { header, data } = goldenBlock(NUMBER)

  it('is refused, or its mistake is in what nobody signs', () => {
    const flips = fc.record({ at: fc.nat(bytes.length - 1), bit: fc.nat(7) })
    fc.assert(
      fc.property(flips, ({ at, bit }) => {
        const flipped = bytes.map((byte, index) => (index === at ? byte ^ (1 << bit) : byte))
        const block = readBlock(flipped)
        if (isFault(block) || checkNextBlock(block, endBefore(NUMBER), bundle) !== undefined) return
        expect({ header: block.header, data: block.data }).toEqual({ header, data })
      }),
      { numRuns: 300 },
    )
  })

  it('is refused where it is cut off', () => {
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), (length) => {
        const block = readBlock(bytes.subarray(0, length))
        expect(isFault(block) || checkNextBlock(block, endBefore(NUMBER), bundle) !== undefined).toBe(true)
      }),
      { numRuns: 200 },
    )
  })

  it('is taken without one', () => {
    for (let number = 1; number < 53; number++) {
      const block = must(readBlock(writeBlock(goldenBlock(number))))
      expect(checkNextBlock(block, endBefore(number), bundle)).toBeUndefined()
    }
  })
})
