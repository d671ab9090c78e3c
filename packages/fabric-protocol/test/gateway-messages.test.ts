import protos from '@hyperledger/fabric-protos'
import {
  ChaincodeEventsRequest,
  ChaincodeEventsResponse,
  CommitStatusRequest,
  CommitStatusResponse,
  EndorseRequest,
  EndorseResponse,
  ErrorDetail,
  EvaluateRequest,
  EvaluateResponse,
  type Message,
  PreparedTransaction,
  ProposedTransaction,
  SeekPosition,
  SignedChaincodeEventsRequest,
  SignedCommitStatusRequest,
  SubmitRequest,
  SubmitResponse,
} from '@kumiko/fabric-protocol'
import { describe, expect, it } from 'vitest'

interface Oracle {
  readonly deserializeBinary: (bytes: Uint8Array) => { serializeBinary(): Uint8Array }
}

const { gateway } = protos
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const names = { transactionId: 't', channelId: 'c' }
const signed = { proposalBytes: bytes('p'), signature: bytes('s') }
const envelope = { payload: bytes('p'), signature: bytes('s') }
const event = { chaincodeId: 'c', txId: 't', eventName: 'e', payload: bytes('p') }

/** With every field set, so that a wrong number or type of a field shows. */
const cases: readonly (readonly [string, Uint8Array, Oracle])[] = [
  written(EvaluateRequest, gateway.EvaluateRequest, { ...names, proposedTransaction: signed, targetOrganizations: ['a', 'b'] }),
  written(EvaluateResponse, gateway.EvaluateResponse, { result: { status: 200, message: 'm', payload: bytes('p') } }),
  written(EndorseRequest, gateway.EndorseRequest, { ...names, proposedTransaction: signed, endorsingOrganizations: ['a', 'b'] }),
  written(EndorseResponse, gateway.EndorseResponse, { preparedTransaction: envelope }),
  written(SubmitRequest, gateway.SubmitRequest, { ...names, preparedTransaction: envelope }),
  written(SubmitResponse, gateway.SubmitResponse, {}),
  written(SignedCommitStatusRequest, gateway.SignedCommitStatusRequest, { request: bytes('r'), signature: bytes('s') }),
  written(CommitStatusRequest, gateway.CommitStatusRequest, { ...names, identity: bytes('i') }),
  written(CommitStatusResponse, gateway.CommitStatusResponse, { result: 11, blockNumber: 2n ** 50n }),
  written(SignedChaincodeEventsRequest, gateway.SignedChaincodeEventsRequest, { request: bytes('r'), signature: bytes('s') }),
  ...[{ newest: {} }, { oldest: {} }, { specified: { number: 7n } }, { nextCommit: {} }].map((position) =>
    written(ChaincodeEventsRequest, gateway.ChaincodeEventsRequest, {
      channelId: 'c',
      chaincodeId: 'cc',
      identity: bytes('i'),
      startPosition: SeekPosition.create(position),
      afterTransactionId: 't',
    }),
  ),
  written(ChaincodeEventsResponse, gateway.ChaincodeEventsResponse, { events: [event, event], blockNumber: 2n ** 50n }),
  written(ErrorDetail, gateway.ErrorDetail, { address: 'a', mspId: 'm', message: 'é' }),
  written(ProposedTransaction, gateway.ProposedTransaction, { transactionId: 't', proposal: signed, endorsingOrganizations: ['a'] }),
  written(PreparedTransaction, gateway.PreparedTransaction, { transactionId: 't', envelope }),
]

describe('the messages of the gateway service', () => {
  it.each(cases)('%s is read and written alike by @hyperledger/fabric-protos', (_, written, oracle) => {
    expect(Buffer.from(oracle.deserializeBinary(written).serializeBinary()).toString('hex')).toBe(Buffer.from(written).toString('hex'))
  })
})

function written<T extends object>(type: Message<T>, oracle: Oracle, value: T): readonly [string, Uint8Array, Oracle] {
  const bytes = type.encode(value)
  expect(type.decode(bytes)).toEqual(value)
  return [type.name, bytes, oracle]
}
