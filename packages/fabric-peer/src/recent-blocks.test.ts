import { type Block, BlockHeader } from '@kumiko/fabric-protocol'
import { expect, it } from 'vitest'
import { RecentBlocks } from './recent-blocks.ts'

function chain(height: bigint) {
  const read: bigint[] = []
  const blocks = {
    info: { height, currentHash: new Uint8Array(), previousHash: new Uint8Array() },
    block: async (number: bigint): Promise<Block | undefined> => {
      read.push(number)
      if (number === 8n && read.filter((each) => each === number).length === 1) throw new Error('broken')
      return number < blocks.info.height ? { header: BlockHeader.create({ number }), data: [], metadata: [] } : undefined
    },
  }
  return { read, recent: new RecentBlocks(blocks), blocks }
}

it('the last blocks are read once, older ones and those to come each time', async () => {
  const { read, recent, blocks } = chain(10n)
  await Promise.all([recent.block(9n), recent.block(9n)])
  await recent.block(9n)
  await recent.block(5n)
  await recent.block(5n)
  expect(await recent.block(10n)).toBeUndefined()
  blocks.info = { ...blocks.info, height: 11n }
  expect((await recent.block(10n))?.header.number).toBe(10n)
  expect(read).toEqual([9n, 5n, 5n, 10n, 10n])
})

it('what could not be read is read again, and no more than four are kept', async () => {
  const { read, recent, blocks } = chain(10n)
  await expect(recent.block(8n)).rejects.toThrow('broken')
  expect((await recent.block(8n))?.header.number).toBe(8n)
  for (let height = 11n; height < 20n; height++) {
    blocks.info = { ...blocks.info, height }
    await recent.block(height - 1n)
  }
  read.length = 0
  for (const number of [18n, 17n, 16n, 15n, 14n]) await recent.block(number)
  expect(read).toEqual([14n])
})
