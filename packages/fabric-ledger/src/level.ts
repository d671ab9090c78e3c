import { encodeUtf8, type Message, message, uint32, uint64 } from '@kumiko/fabric-protocol'
import { isFault, KumikoError } from '@kumiko/interface'
import { ClassicLevel } from 'classic-level'

/** LevelDB, of bytes. */
export type Level = ClassicLevel<Uint8Array, Uint8Array>

/** What a folder holds: for who must mend it, and how it is stored. */
export interface LevelFolder {
  /** Of the error: `fabric-ledger/history-not-open`. */
  readonly code: `fabric-ledger/${string}`
  /** As a sentence has it: `the history`. */
  readonly name: string
  /** What to do if nothing else uses it: `remove the folder, and …`. */
  readonly otherwise?: string
  /** Whether blocks are compressed on disk. Default true. False for what has nothing to compress: hashes and places. */
  readonly compression?: boolean
}

/** What was written last is kept in memory, up to this and once more while it goes to disk: with LevelDB's 4 MiB it is merged four times as often. */
const WRITE_BUFFER_BYTES = 16 << 20

/** Opens LevelDB. @param folder - Made where missing. @throws KumikoError of the code given: another process has it, or it is broken. */
export async function openLevel(folder: string, { code, name, otherwise, compression = true }: LevelFolder): Promise<Level> {
  const options = { keyEncoding: 'view', valueEncoding: 'view', writeBufferSize: WRITE_BUFFER_BYTES, compression } as const
  const level: Level = new ClassicLevel(folder, options)
  try {
    await level.open()
  } catch (cause) {
    const mend = otherwise === undefined ? '' : `; if nothing does, ${otherwise}`
    throw new KumikoError(code, `cannot open ${name} "${folder}": end what else uses it${mend}`, { context: { folder }, cause })
  }
  return level
}

/** A change of one key. */
export type Operation =
  | { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: Uint8Array }

/** Changes all of the keys or none: on disk when the system writes it there. One operation is asked for when LevelDB has a copy of the one before. */
export async function writeAll(level: Level, operations: Iterable<Operation>): Promise<void> {
  const batch = level.batch()
  try {
    for (const operation of operations) {
      if (operation.type === 'put') batch.put(operation.key, operation.value)
      else batch.del(operation.key)
    }
  } catch (error) {
    await batch.close()
    throw error
  }
  await batch.write()
}

interface Savepoint {
  readonly format: number
  readonly height: bigint
}
const Savepoint: Message<Savepoint> = message<Savepoint>('Savepoint', { format: uint32(1), height: uint64(2) })

/** The layout of keys and values: a folder of another is not read. */
const FORMAT = 1

/** The key of a savepoint: how many blocks a database has taken in. */
export const SAVEPOINT: Uint8Array = encodeUtf8('s')

/** A savepoint, to be written with what a block changes. */
export function savepoint(height: bigint): Operation {
  return { type: 'put', key: SAVEPOINT, value: Savepoint.encode({ format: FORMAT, height }) }
}

/**
 * Reads the value of {@link SAVEPOINT}.
 * @param bytes - Undefined in an empty database.
 * @param corrupt - Makes the error of what is wrong.
 * @returns The height; 0 where there is none.
 */
export function readSavepoint(bytes: Uint8Array | undefined, corrupt: (why: string) => KumikoError): bigint {
  if (bytes === undefined) return 0n
  const read = Savepoint.decode(bytes)
  if (isFault(read)) throw corrupt(read.detail ?? read.fault)
  if (read.format !== FORMAT) throw corrupt(`it has format ${read.format}, not ${FORMAT}`)
  return read.height
}
