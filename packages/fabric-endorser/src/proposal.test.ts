import { channelBundle, channelMsp, readConfigTransaction } from '@kumiko/fabric-msp'
import { decodeUtf8, ProposedTransaction, readBlock } from '@kumiko/fabric-protocol'
import { goldenJson, peerBlock } from '@kumiko/golden-channel'
import { must } from '@kumiko/testkit'
import { describe, expect, it } from 'vitest'
import { isRefused, unpackProposal } from './proposal.ts'
import { validateProposal } from './validate-proposal.ts'

describe('a proposal that a real client sent to a real peer', () => {
  const { log } = goldenJson('client-log.json') as {
    readonly log: readonly { readonly txId: string; readonly args: readonly string[]; readonly proposalBytes?: string }[]
  }
  const recorded = must(log.find(({ proposalBytes }) => proposalBytes !== undefined))
  const signed = must(must(ProposedTransaction.decode(Uint8Array.from(Buffer.from(must(recorded.proposalBytes), 'base64')))).proposal)
  const { config } = must(readConfigTransaction(must(must(readBlock(peerBlock(0))).data[0]))).envelope
  const { msps } = must(channelBundle('mychannel', must(config), channelMsp))

  it('is its creator’s, and says what it asks for', () => {
    const unpacked = unpackProposal(signed)
    if (isRefused(unpacked)) throw new Error(unpacked.refused)
    expect(validateProposal(unpacked, msps)).toMatchObject({ mspId: 'Org1MSP' })
    const { channelId, txId } = unpacked.read.channel
    expect([channelId, txId, unpacked.chaincode]).toEqual(['mychannel', recorded.txId, 'golden'])
    expect(unpacked.input.args.map(decodeUtf8).slice(1)).toEqual(recorded.args)
  })

  it('is nobody’s where its signature is another', () => {
    const signature = Uint8Array.from(signed.signature)
    signature[signature.length - 1] = (signature.at(-1) ?? 0) ^ 1
    const unpacked = unpackProposal({ ...signed, signature })
    if (isRefused(unpacked)) throw new Error(unpacked.refused)
    expect(validateProposal(unpacked, msps)).toEqual({ refused: 'access denied: channel [mychannel] creator org [Org1MSP]' })
  })
})
