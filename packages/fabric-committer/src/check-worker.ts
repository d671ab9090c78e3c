import { parentPort } from 'node:worker_threads'
import { channelBundle, channelMsp } from '@kumiko/fabric-msp'
import { Config } from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import { checkTransaction, type TransactionRules } from './check-transaction.ts'
import { packChecked } from './checked-batch.ts'
import { keepIdentities } from './identity-cache.ts'
import { type ToWorker, viewsOf } from './worker-message.ts'

/** What runs in each of a worker pool's threads. It fails as a whole: the pool tells its users. */
let rules: TransactionRules | undefined

parentPort?.on('message', (message: ToWorker) => {
  if (message.kind === 'configure') rules = readRules(message.channelId, message.config)
  else answer(message.batch, message.lengths, message.bytes)
})

function answer(batch: number, lengths: readonly number[], bytes: ArrayBuffer): void {
  const channel = rules
  if (channel === undefined) throw new Error('a worker was told of transactions before it was told of the channel')
  const items = viewsOf(bytes, lengths)
  const checked = packChecked(
    items,
    items.map((item) => checkTransaction(item, channel)),
  )
  parentPort?.postMessage({ batch, checked }, [checked.numbers.buffer])
}

function readRules(channelId: string, bytes: Uint8Array): TransactionRules {
  const decoded = Config.decode(bytes)
  const bundle = isFault(decoded) ? decoded : channelBundle(channelId, decoded, channelMsp)
  if (isFault(bundle)) throw new Error(`a worker cannot read the channel's configuration: ${bundle.fault} ${bundle.detail ?? ''}`)
  return { channelId, msps: keepIdentities(bundle.msps) }
}
