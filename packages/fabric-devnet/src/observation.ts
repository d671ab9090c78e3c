import type { RunningTransaction, TransactionFailure, TransactionObserver } from '@kumiko/fabric-chaincode'
import { Watchdog } from './watchdog/watchdog.ts'

/** A transaction that a contract did not do. */
export interface ContractFailure extends RunningTransaction, TransactionFailure {
  /** Its name. */
  readonly contract: string
}

/** What is seen of a network's contracts that run in this process. */
export class Observation {
  readonly #watchdog = new Watchdog()
  readonly #onFailure: ((failure: ContractFailure) => void) | undefined

  constructor(onFailure: ((failure: ContractFailure) => void) | undefined) {
    this.#onFailure = onFailure
  }

  /** Of one contract. */
  observer(contract: string): TransactionObserver {
    /** Bounded by the transactions that run. */
    const running = new Map<RunningTransaction, () => void>()
    return {
      begun: (transaction) => {
        const { function: name, txId } = transaction
        running.set(transaction, this.#watchdog.watch(`contract ${contract}, in ${name || 'a call of nothing'} of transaction ${txId},`))
      },
      ended: (transaction, failure) => {
        running.get(transaction)?.()
        running.delete(transaction)
        if (failure !== undefined) this.#onFailure?.({ contract, ...transaction, ...failure })
      },
    }
  }

  async stop(): Promise<void> {
    await this.#watchdog.stop()
  }
}
