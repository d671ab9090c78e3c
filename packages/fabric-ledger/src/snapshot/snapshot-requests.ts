import { join } from 'node:path'
import { encodeUtf8 } from '@kumiko/fabric-protocol'
import { KumikoError, Turns } from '@kumiko/interface'
import { type FileSystem, nodeFileSystem } from '../blocks/file-system.ts'

/** So many may wait at a time. */
export const SNAPSHOT_REQUESTS_MAX = 1000

const NAME = 'requests.json'
const SIZE_MAX = 64 * 1024

/**
 * For which blocks a channel's snapshot is asked: each is taken when the ledger has committed its block. Kept in a file of their own, which is
 * written, synced, before a call returns. Calls are served one after the other.
 * @see Fabric `core/ledger/kvledger/snapshot_mgmt.go` snapshotRequestBookkeeper
 */
export class SnapshotRequests {
  readonly #folder: string
  readonly #fileSystem: FileSystem
  /** In ascending order. */
  #pending: readonly bigint[]
  readonly #turns = new Turns()

  private constructor(folder: string, fileSystem: FileSystem, pending: readonly bigint[]) {
    this.#folder = folder
    this.#fileSystem = fileSystem
    this.#pending = pending
  }

  /** @param folder - For them alone; made where missing. @throws KumikoError `fabric-ledger/corrupt-snapshot-requests`. */
  static async open(folder: string, fileSystem: FileSystem = nodeFileSystem): Promise<SnapshotRequests> {
    await fileSystem.makeFolder(folder)
    const pending = (await fileSystem.list(folder)).includes(NAME) ? await readRequests(folder, fileSystem) : []
    return new SnapshotRequests(folder, fileSystem, pending)
  }

  /** The blocks whose snapshots are still to be taken, in ascending order. */
  get pending(): readonly bigint[] {
    return this.#pending
  }

  /**
   * Asks for a snapshot. Call {@link fulfil} then: it may be due.
   * @param blockNumber - That the snapshot is to end with; 0 for the ledger's last block.
   * @param height - The ledger's.
   * @returns The block's number.
   * @throws KumikoError `fabric-ledger/snapshot-too-late`: the ledger has gone past the block. `fabric-ledger/snapshot-requested` already.
   * `fabric-ledger/too-many-snapshot-requests`.
   */
  async submit(blockNumber: bigint, height: bigint): Promise<bigint> {
    const number = blockNumber === 0n ? height - 1n : blockNumber
    if (number < height - 1n || number < 0n) throw tooLate(number, height)
    return await this.#turns.take(async () => {
      if (this.#pending.includes(number)) throw refused('snapshot-requested', `a snapshot at block ${number} is asked for already`, number)
      if (this.#pending.length >= SNAPSHOT_REQUESTS_MAX) {
        throw refused('too-many-snapshot-requests', `${SNAPSHOT_REQUESTS_MAX} snapshots are asked for: cancel one first`, number)
      }
      await this.#write([...this.#pending, number].sort((a, b) => (a < b ? -1 : 1)))
      return number
    })
  }

  /** Takes a request back. @throws KumikoError `fabric-ledger/no-snapshot-request`. */
  async cancel(blockNumber: bigint): Promise<void> {
    if (!(await this.#remove(blockNumber))) {
      throw refused('no-snapshot-request', `no snapshot at block ${blockNumber} is asked for`, blockNumber)
    }
  }

  /**
   * Takes the snapshot that is due, if one is. Call it when the ledger is opened, and after each block, before the next one is committed.
   * @param height - The ledger's.
   * @param take - Writes the snapshot. One that is there (`fabric-ledger/snapshot-exists`) will do.
   * @throws What `take` throws: the request is gone then too, and can be made again.
   */
  async fulfil(height: bigint, take: (blockNumber: bigint) => Promise<unknown>): Promise<void> {
    const number = height - 1n
    if (!this.#pending.includes(number)) return
    try {
      await take(number)
    } catch (error) {
      if (!(error instanceof KumikoError && error.code === 'fabric-ledger/snapshot-exists')) throw error
    } finally {
      // It may have been taken back meanwhile.
      await this.#remove(number)
    }
  }

  /** @returns Whether it was there. */
  #remove(blockNumber: bigint): Promise<boolean> {
    return this.#turns.take(async () => {
      const rest = this.#pending.filter((each) => each !== blockNumber)
      const isThere = rest.length < this.#pending.length
      if (isThere) await this.#write(rest)
      return isThere
    })
  }

  async #write(pending: readonly bigint[]): Promise<void> {
    const path = join(this.#folder, `${NAME}.new`)
    await this.#fileSystem.remove(path)
    const file = await this.#fileSystem.open(path)
    try {
      await file.write(encodeUtf8(`${JSON.stringify(pending.map(String))}\n`), 0)
      await file.sync()
    } finally {
      await file.close()
    }
    await this.#fileSystem.rename(path, join(this.#folder, NAME))
    await this.#fileSystem.syncFolder(this.#folder)
    this.#pending = pending
  }
}

async function readRequests(folder: string, fileSystem: FileSystem): Promise<readonly bigint[]> {
  const file = await fileSystem.openToRead(join(folder, NAME))
  try {
    const numbers = parse(new TextDecoder().decode(await file.read(0, SIZE_MAX)))
    if (numbers === undefined) throw corrupt(folder)
    return numbers
  } finally {
    await file.close()
  }
}

function parse(text: string): readonly bigint[] | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (!Array.isArray(value) || !value.every((each) => typeof each === 'string' && /^\d{1,20}$/.test(each))) return
    return value.map(BigInt)
  } catch {
    return
  }
}

function tooLate(number: bigint, height: bigint): KumikoError {
  const message =
    height === 0n
      ? 'there is no block yet to take a snapshot at'
      : `it is too late for a snapshot at block ${number}: the ledger's last block is ${height - 1n}; ask for that one, or a later one`
  return refused('snapshot-too-late', message, number)
}

function refused(code: string, message: string, blockNumber: bigint): KumikoError {
  return new KumikoError(`fabric-ledger/${code}`, message, { context: { blockNumber } })
}

function corrupt(folder: string): KumikoError {
  const message = `"${join(folder, NAME)}" is no list of snapshot requests: remove it, and ask for the snapshots again`
  return new KumikoError('fabric-ledger/corrupt-snapshot-requests', message, { context: { folder } })
}
