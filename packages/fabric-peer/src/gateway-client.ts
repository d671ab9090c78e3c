import { randomBytes } from 'node:crypto'
import type { RestChaincode } from '@kumiko/fabric-deliver'
import type { Gateway } from '@kumiko/fabric-gateway'
import { buildProposal, SignedProposal, type Signer, signProposal } from '@kumiko/fabric-protocol'
import { type Clock, isFault, KumikoError } from '@kumiko/interface'

/** Calls chaincode through a gateway in this process. @param signer - Who calls: a client of the channel. */
export function gatewayClient(gateway: Gateway, signer: Signer, clock: Clock): RestChaincode {
  const propose = (channelId: string, chaincode: string, args: readonly Uint8Array[]) => {
    const now = clock.now()
    const timestamp = { seconds: BigInt(Math.floor(now / 1000)), nanos: Math.floor(now % 1000) * 1_000_000 }
    const request = { channelId, chaincode, args, nonce: new Uint8Array(randomBytes(24)), timestamp }
    const { proposal, txId } = buildProposal(request, signer.creator)
    const proposedTransaction = SignedProposal.decode(signProposal(proposal, signer))
    if (isFault(proposedTransaction)) throw new KumikoError('fabric-peer/bad-call', proposedTransaction.detail ?? proposedTransaction.fault)
    return { transactionId: txId, channelId, proposedTransaction }
  }
  const call = () => ({ signal: new AbortController().signal })
  return {
    query: async (channelId, chaincode, args) => {
      const proposed = propose(channelId, chaincode, args)
      const { result } = await gateway.evaluate({ ...proposed, targetOrganizations: [] }, call())
      return result?.payload ?? new Uint8Array()
    },
    invoke: async (channelId, chaincode, args) => {
      const proposed = propose(channelId, chaincode, args)
      const { transactionId } = proposed
      const { preparedTransaction } = await gateway.endorse({ ...proposed, endorsingOrganizations: [] }, call())
      const payload = preparedTransaction?.payload ?? new Uint8Array()
      const signed = { payload, signature: signer.sign(payload) }
      await gateway.submit({ transactionId, channelId, preparedTransaction: signed }, call())
      return transactionId
    },
  }
}
