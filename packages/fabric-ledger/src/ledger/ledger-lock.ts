import { dirname } from 'node:path'
import { codeOf, KumikoError } from '@kumiko/interface'
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

  /** @param folder - For the lock alone, in what is locked; made where missing. @throws KumikoError `fabric-ledger/in-use`, `fabric-ledger/not-writable`. */
  static async take(folder: string): Promise<LedgerLock> {
    const level = new ClassicLevel(folder)
    try {
      await level.open()
    } catch (cause) {
      throw isLocked(cause) ? inUse(folder, cause) : notWritable(folder, cause)
    }
    return new LedgerLock(level)
  }

  async release(): Promise<void> {
    await this.#level.close()
  }
}

/** LevelDB's error wraps the reason. */
function reasonOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined
}

function isLocked(error: unknown): boolean {
  return codeOf(reasonOf(error)) === 'LEVEL_LOCKED'
}

function inUse(folder: string, cause: unknown): KumikoError {
  const message = `"${dirname(folder)}" is in use by another process: stop that one, or choose another folder`
  return new KumikoError('fabric-ledger/in-use', message, { context: { folder }, cause })
}

function notWritable(folder: string, cause: unknown): KumikoError {
  const reason = reasonOf(cause)
  const why = reason instanceof Error ? ` (${reason.message})` : ''
  const message = `cannot write in "${folder}"${why}: see that it is a folder, that you may write there, and that the disk is not full`
  return new KumikoError('fabric-ledger/not-writable', message, { context: { folder }, cause })
}
