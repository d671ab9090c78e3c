/** A transaction that code in this process runs. One object for each, from begin to end. */
export interface RunningTransaction {
  readonly channelId: string
  readonly txId: string
  /** What is called; bytes that are no text are replaced. */
  readonly function: string
}

/** What a transaction came to that was not done. */
export interface TransactionFailure {
  /** 400 and more. */
  readonly status: number
  readonly message: string
  /** What the code threw, with its stack; undefined where it answered so. */
  readonly error?: unknown
}

/** Is told of transactions that code in this process runs. Its methods must not throw. */
export interface TransactionObserver {
  /** The code is called when this returns. */
  begun(transaction: RunningTransaction): void
  /** @param failure - Undefined where it is done. */
  ended(transaction: RunningTransaction, failure: TransactionFailure | undefined): void
}
