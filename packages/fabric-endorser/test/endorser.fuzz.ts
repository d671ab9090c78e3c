import { RpcError } from '@kumiko/fabric-grpc'
import { encodeUtf8 } from '@kumiko/fabric-protocol'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { unpackProposal } from '../src/proposal.ts'
import { CHAINCODE, TestPeer } from './peer.ts'

let peer: TestPeer
let runs = 0

beforeAll(async () => {
  peer = await TestPeer.make({
    contract: async ({ simulator }) => {
      runs++
      simulator.setState(CHAINCODE, 'key', encodeUtf8('value'))
    },
  })
})

afterAll(async () => await peer[Symbol.asyncDispose]())

describe('what comes as a proposal', () => {
  it('is opened or refused, whatever it is', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 80 }), (proposalBytes, signature) => {
        const unpacked = unpackProposal({ proposalBytes, signature })
        expect('refused' in unpacked || unpacked.chaincode !== '').toBe(true)
      }),
      { numRuns: 2000 },
    )
  })

  it('runs no chaincode where a byte of it is another', async () => {
    const { signed } = peer.propose({ transientMap: new Map([['hidden', encodeUtf8('secret')]]) })
    const before = runs
    const change = fc.record({
      at: fc.nat(signed.proposalBytes.length - 1),
      by: fc.integer({ min: 1, max: 255 }),
      part: fc.constantFrom('flip', 'cut', 'grow'),
    })
    await fc.assert(
      fc.asyncProperty(change, async ({ at, by, part }) => {
        const bytes = Uint8Array.from(signed.proposalBytes)
        if (part === 'flip') bytes[at] = (bytes[at] ?? 0) ^ by
        const proposalBytes = part === 'cut' ? bytes.subarray(0, at) : part === 'grow' ? Uint8Array.from([...bytes, 0x7a, 1, by]) : bytes
        const answer = await peer.endorser.processProposal({ ...signed, proposalBytes }).catch((error: unknown) => error)
        // Told by an error, or of a channel where the peer is not.
        const isRefused =
          answer instanceof RpcError ||
          (typeof answer === 'object' && answer !== null && 'endorsement' in answer && answer.endorsement === undefined)
        expect(isRefused).toBe(true)
      }),
      { numRuns: 300 },
    )
    expect(runs).toBe(before)
  })
})
