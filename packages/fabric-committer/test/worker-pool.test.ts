import { goldenBlocks } from '@kumiko/golden-channel'
import { must } from '@kumiko/testkit'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readGenesis } from '../src/block-intake.ts'
import { inlineChecker } from '../src/transaction-checker.ts'
import { WorkerPool } from '../src/worker-pool.ts'
import { CHANNEL_ID, goldenBlock } from './golden.ts'

const items = goldenBlocks().flatMap(({ number }) => goldenBlock(number).data)
const bundle = must(readGenesis(goldenBlock(0), CHANNEL_ID))
const inline = inlineChecker()
let pool: WorkerPool

beforeAll(() => {
  inline.configure(bundle)
  pool = new WorkerPool(3)
  pool.configure(bundle)
})
afterAll(async () => {
  await pool.close()
})

describe('WorkerPool', () => {
  it('answers what one thread would, whichever of its threads answers first', async () => {
    const some = fc.array(fc.constantFrom(...items), { maxLength: 40 })
    await fc.assert(
      fc.asyncProperty(fc.array(some, { minLength: 1, maxLength: 4 }), async (blocks) => {
        const found = await Promise.all(blocks.map((block) => pool.check(block)))
        expect(found).toEqual(await Promise.all(blocks.map((block) => inline.check(block))))
      }),
      { numRuns: 30 },
    )
  })

  it('gives views of the transactions that it was given', async () => {
    const [item] = goldenBlock(3).data
    const [checked] = await pool.check([must(item)])
    expect(checked?.kind === 'endorsed' && checked.results.buffer).toBe(item?.buffer)
  })
})
