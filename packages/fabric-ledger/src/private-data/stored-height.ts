import { encodeUtf8, type Message, message, uint32, uint64 } from '@kumiko/fabric-protocol'
import type { LevelRecords } from './level-records.ts'
import { put, type RecordChange } from './private-data-records.ts'

interface StoredHeight {
  readonly format: number
  readonly height: bigint
}
const StoredHeight: Message<StoredHeight> = message<StoredHeight>('PrivateDataHeight', { format: uint32(1), height: uint64(2) })

/** The layout of keys and values: a folder of another is not read. */
const FORMAT = 1
const HEIGHT = encodeUtf8('h')

/** How many blocks the records are of: 0 where there are none. @throws KumikoError `fabric-ledger/corrupt-private-data`. */
export async function readHeight(records: LevelRecords): Promise<bigint> {
  const bytes = await records.get(HEIGHT)
  if (bytes === undefined) return 0n
  const { format, height } = records.read(StoredHeight.decode(bytes))
  if (format !== FORMAT) throw records.corrupt(`it has format ${format}, not ${FORMAT}`)
  return height
}

/** Says how many blocks the records are of. */
export function heightRecord(height: bigint): RecordChange {
  return put(HEIGHT, StoredHeight.encode({ format: FORMAT, height }))
}
