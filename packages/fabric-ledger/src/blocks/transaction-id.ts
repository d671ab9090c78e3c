import { ChannelHeader, openEnvelope, SignatureHeader, transactionId } from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'

/**
 * The id that a transaction of a block is found by: what its header says, or else what its nonce and creator make.
 * @returns Undefined where it has no header to read: nobody can ask for it.
 * @see Fabric `protoutil/txutils.go` GetOrComputeTxIDFromEnvelope
 */
export function transactionIdOf(item: Uint8Array): string | undefined {
  const payload = openEnvelope(item)
  if (isFault(payload) || payload.header === undefined) return
  const channel = ChannelHeader.decode(payload.header.channelHeader)
  if (isFault(channel)) return
  if (channel.txId !== '') return channel.txId
  const signature = SignatureHeader.decode(payload.header.signatureHeader)
  return isFault(signature) ? undefined : transactionId(signature)
}
