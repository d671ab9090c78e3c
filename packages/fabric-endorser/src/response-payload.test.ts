import {
  ChaincodeEvent,
  Header,
  Proposal,
  readBlock,
  readChaincodeAction,
  readEndorserTransaction,
  readEnvelope,
  readPayload,
  readReadWriteSet,
  writeReadWriteSet,
} from '@kumiko/fabric-protocol'
import { GOLDEN_HEIGHT, peerBlock } from '@kumiko/golden-channel'
import { isFault } from '@kumiko/interface'
import { must } from '@kumiko/testkit'
import { describe, expect, it } from 'vitest'
import { isRefused, unpackProposal } from './proposal.ts'
import { responsePayload } from './response-payload.ts'

/** Transactions that clients made; those of other kinds, and those that were broken on purpose, have no proposal. */
function* endorsed() {
  for (let number = 0; number < GOLDEN_HEIGHT; number++)
    for (const item of must(readBlock(peerBlock(number))).data) {
      const envelope = readEnvelope(item)
      const payload = isFault(envelope) ? envelope : readPayload(envelope.payload)
      const transaction = isFault(payload) ? payload : readEndorserTransaction(payload)
      if (!isFault(payload) && !isFault(transaction) && payload.header !== undefined) yield { header: payload.header, transaction }
    }
}

describe('what the real peers endorsed', () => {
  it('is what is made here of the same proposals and simulations', () => {
    let count = 0
    for (const { header, transaction } of endorsed()) {
      const action = readChaincodeAction(transaction.responsePayload)
      const set = isFault(action) ? action : readReadWriteSet(action.results)
      // Some were given results that are none.
      if (isFault(action) || isFault(set)) continue
      const proposalBytes = Proposal.encode({ header: Header.encode(header), payload: transaction.proposalPayload })
      const unpacked = unpackProposal({ proposalBytes, signature: new Uint8Array() })
      if (isRefused(unpacked)) throw new Error(unpacked.refused)
      const { name, version } = must(action.chaincodeId)
      const event = action.events.length === 0 ? undefined : must(ChaincodeEvent.decode(action.events))
      const made = responsePayload({
        proposalHash: unpacked.hash,
        results: writeReadWriteSet(set),
        event,
        response: must(action.response),
        name,
        version,
      })
      expect(unpacked.chaincode).toBe(name)
      expect(made).toEqual(transaction.responsePayloadBytes)
      count++
    }
    expect(count).toBeGreaterThan(60)
  })
})
