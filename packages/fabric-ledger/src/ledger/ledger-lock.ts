import { KumikoError } from '@kumiko/interface'
import { ClassicLevel } from 'classic-level'

/**
 * Keeps a folder to one process, and in it to one user, by LevelDB's own lock, which ends with the process: Node has none of the system's.
 * @see Fabric `common/ledger/util/leveldbhelper/leveldb_helper.go` FileLock
 */
export class LedgerLock {
  readonly #level: ClassicLevel

  private constructor(level: ClassicLevel) {
    this.#level = level
  }

  /** @param folder - For the lock alone; made where missing. @throws KumikoError `fabric-ledger/in-use`. */
  static async take(folder: string): Promise<LedgerLock> {
    const level = new ClassicLevel(folder)
    try {
      await level.open()
    } catch (cause) {
      const message = `cannot lock "${folder}": end what else uses the ledger; if nothing does, remove the folder`
      throw new KumikoError('fabric-ledger/in-use', message, { context: { folder }, cause })
    }
    return new LedgerLock(level)
  }

  async release(): Promise<void> {
    await this.#level.close()
  }
}
