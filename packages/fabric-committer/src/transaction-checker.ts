import { setImmediate } from 'node:timers/promises'
import type { CommitterBundle } from './block-intake.ts'
import { type CheckedTransaction, checkTransaction, type TransactionRules } from './check-transaction.ts'
import { keepIdentities } from './identity-cache.ts'

/** Checks of many transactions what takes no state, here or in other threads. */
export interface TransactionChecker {
  /** From now on the channel has this configuration. Wait for calls of {@link check} first. */
  configure(bundle: CommitterBundle): void
  /**
   * @param items - Transactions as blocks have them.
   * @returns One answer a transaction, in their order; its bytes are views of those given.
   * @throws KumikoError `fabric-committer/worker-failed`: nothing is known of any transaction then.
   */
  check(items: readonly Uint8Array[]): Promise<readonly CheckedTransaction[]>
  close(): Promise<void>
}

/** After so many the event loop gets a turn: some 10 ms. */
const TURN_LENGTH = 32

/** Checks in this thread, a few transactions at a time. */
export function inlineChecker(): TransactionChecker {
  let rules: TransactionRules | undefined
  return {
    configure: ({ channelId, msps }) => {
      rules = { channelId, msps: keepIdentities(msps) }
    },
    check: async (items) => {
      const checked: CheckedTransaction[] = []
      for (const [index, item] of items.entries()) {
        if (index > 0 && index % TURN_LENGTH === 0) await setImmediate()
        if (rules !== undefined) checked.push(checkTransaction(item, rules))
      }
      return checked
    },
    close: async () => undefined,
  }
}
