import { expect, it } from 'vitest'
import { BlockEvents } from './block-events.ts'
import { KeptBlocks } from './kept-blocks.ts'

function block(number: bigint, bytes = 1): BlockEvents {
  const header = { number, previousHash: new Uint8Array(), dataHash: new Uint8Array() }
  return new BlockEvents({ header, data: [new Uint8Array(bytes)], metadata: [] })
}

/** Reads blocks of so many bytes, and tells which. */
function reader(kept: KeptBlocks) {
  const reads: bigint[] = []
  const get = async (number: bigint, bytes?: number) =>
    await kept.get(number, async () => {
      reads.push(number)
      return block(number, bytes)
    })
  return { reads, get }
}

it('reads a block once for all who ask, before it is read and after', async () => {
  const { reads, get } = reader(new KeptBlocks({ blocksMax: 4, bytesMax: 100 }))
  const [one, other] = await Promise.all([get(1n), get(1n)])
  expect(one).toBe(other)
  expect(await get(1n)).toBe(one)
  expect(reads).toEqual([1n])
})

it('keeps so many blocks, the newest', async () => {
  const { reads, get } = reader(new KeptBlocks({ blocksMax: 2, bytesMax: 100 }))
  for (const number of [1n, 2n, 3n, 2n, 3n, 1n]) await get(number)
  expect(reads).toEqual([1n, 2n, 3n, 1n])
})

it('keeps so many bytes, and one block of more', async () => {
  const { reads, get } = reader(new KeptBlocks({ blocksMax: 10, bytesMax: 100 }))
  await get(1n, 60)
  await get(2n, 60)
  await get(2n)
  await get(1n, 500)
  await get(1n)
  expect(reads).toEqual([1n, 2n, 1n])
})

it('forgets what is not there, what cannot be read, and everything when told', async () => {
  const kept = new KeptBlocks({ blocksMax: 4, bytesMax: 100 })
  expect(await kept.get(1n, async () => undefined)).toBeUndefined()
  await expect(kept.get(1n, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  const { reads, get } = reader(kept)
  await get(1n)
  kept.clear()
  await get(1n)
  expect(reads).toEqual([1n, 1n])
})
