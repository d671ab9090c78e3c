// What a committer cannot do without: the signatures of the same blocks checked, and nothing else.
import { verify } from 'node:crypto'
import { BLOCK_SIZE, MANY, makeChannel, manyBlocks } from '../ledger-channel.ts'
import { preparedRatePerCpuSecond } from '../measure.ts'

const [endorsements, durationMs] = process.argv.slice(2).map(Number) as [1 | 2, number]
const channel = await makeChannel(endorsements)

const rate = await preparedRatePerCpuSecond(
  durationMs,
  async () => manyBlocks(channel).flatMap(({ checks }) => checks),
  async (checks) => {
    for (const { key, message, signature } of checks)
      if (!verify('sha256', message, key, signature)) throw new Error('a signature is wrong')
    return MANY * BLOCK_SIZE
  },
)
console.log(rate)
