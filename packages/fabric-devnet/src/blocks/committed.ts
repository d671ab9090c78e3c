import { type Block, openEnvelope, readHeader, readTransactionsFilter } from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import type { BlockLogChannel } from './block-log.ts'

/**
 * Waits until a channel has committed a transaction that was not sent yet.
 * @returns Its validation code.
 * @throws The signal's reason; what the channel throws where it halts; Error where it is closed.
 */
export async function committed(channel: BlockLogChannel, txId: string, signal: AbortSignal): Promise<number> {
  for await (const { block } of channel.commits(channel.height, { signal })) {
    const code = codeIn(block, txId)
    if (code !== undefined) return code
  }
  signal.throwIfAborted()
  throw new Error('the network was stopped')
}

function codeIn(block: Block, txId: string): number | undefined {
  const at = block.data.findIndex((item) => {
    const payload = openEnvelope(item)
    const header = isFault(payload) ? payload : readHeader(payload)
    return !isFault(header) && header.channel.txId === txId
  })
  return at < 0 ? undefined : readTransactionsFilter(block)?.[at]
}
