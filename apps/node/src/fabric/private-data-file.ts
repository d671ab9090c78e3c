import type { TransactionPrivateData } from '@kumiko/fabric-ledger'
import { readPrivateReadWriteSet } from '@kumiko/fabric-protocol'
import { isFault, KumikoError } from '@kumiko/interface'
import { z } from 'zod'
import { badFile, readJsonFile } from '../json-file.ts'

/** Private write sets by the number of their block. */
export type PrivateDataByBlock = ReadonlyMap<bigint, readonly TransactionPrivateData[]>

const NUMBER = z.string().regex(/^(0|[1-9]\d{0,15})$/, 'want a number')

const schema = z.object({ blocks: z.record(NUMBER, z.record(NUMBER, z.base64())) })

/**
 * Reads private write sets: `{"blocks": {"28": {"0": "…"}}}`, by block and place in it, each a `rwset.TxPvtReadWriteSet` in base64.
 * @throws KumikoError `node/bad-file`, `node/unreadable-file`.
 */
export async function readPrivateDataFile(path: string): Promise<PrivateDataByBlock> {
  const file = await readJsonFile(path)
  if (file === undefined)
    throw new KumikoError('node/unreadable-file', `cannot read "${path}" (ENOENT): correct the path`, { context: { path } })
  const read = schema.safeParse(file.value)
  if (!read.success) {
    const [issue] = read.error.issues
    throw badFile(
      path,
      `${issue?.path.join('.') || 'the whole'}: ${issue?.message}; want {"blocks":{"<block>":{"<transaction>":"<base64>"}}}`,
      { path },
    )
  }
  return new Map(
    Object.entries(read.data.blocks).map(([block, sets]) => [
      BigInt(block),
      Object.entries(sets).map(([place, base64]) => transactionData(path, block, place, base64)),
    ]),
  )
}

function transactionData(path: string, block: string, place: string, base64: string): TransactionPrivateData {
  const set = readPrivateReadWriteSet(new Uint8Array(Buffer.from(base64, 'base64')))
  if (isFault(set)) throw badFile(path, `blocks.${block}.${place}: no private write set (${set.detail ?? set.fault})`, { path })
  return { transactionNumber: Number(place), set }
}
