import type { StateDatabase, StateReader, StateSnapshot } from './state-database.ts'

/** A state database that has snapshots. */
export type SnapshotStateDatabase = StateDatabase & Required<Pick<StateDatabase, 'snapshot'>>

/**
 * The database, with snapshots: its own where it has them. Else a snapshot is the database itself, and blocks wait to be applied until all
 * snapshots are closed, as in Fabric's peer; and snapshots wait for a block that waits. Reading all entries is as having a snapshot until
 * the loop ends. Apply through what this returns alone.
 * @see Fabric `core/ledger/kvledger/txmgmt/txmgr/txmgr.go` commitRWLock
 */
export function withSnapshots(database: StateDatabase): SnapshotStateDatabase {
  return hasSnapshots(database) ? database : locked(database)
}

function hasSnapshots(database: StateDatabase): database is SnapshotStateDatabase {
  return database.snapshot !== undefined
}

function locked(database: StateDatabase): SnapshotStateDatabase {
  /** Fulfilled when all snapshots are closed that were taken so far. */
  let readers: Promise<void> = Promise.resolve()
  /** Fulfilled when the last change is made. */
  let writer: Promise<unknown> = Promise.resolve()

  const alone = (change: () => Promise<void>): Promise<void> => {
    const changed = Promise.all([readers, writer]).then(change)
    writer = changed.catch(() => {})
    return changed
  }
  const snapshot = async (): Promise<StateSnapshot> => {
    const before = writer
    const { promise, resolve } = Promise.withResolvers<void>()
    readers = Promise.all([readers, promise]).then(() => {})
    await before
    return { ...readerOf(database), height: database.height, close: async () => resolve() }
  }
  return {
    ...readerOf(database),
    get height() {
      return database.height
    },
    ...(database.kind && { kind: database.kind }),
    ...(database.addIndexes && { addIndexes: database.addIndexes.bind(database) }),
    ...(database.refusal && { refusal: database.refusal.bind(database) }),
    async *entries() {
      const held = await snapshot()
      try {
        yield* database.entries()
      } finally {
        await held.close()
      }
    },
    snapshot,
    apply: (changes, height) => alone(() => database.apply(changes, height)),
    drop: () => alone(() => database.drop()),
    close: () => database.close(),
  }
}

function readerOf(database: StateDatabase): Omit<StateReader, 'height'> {
  return {
    getMany: (keys) => database.getMany(keys),
    range: (...range) => database.range(...range),
    ...(database.query && { query: database.query.bind(database) }),
  }
}
