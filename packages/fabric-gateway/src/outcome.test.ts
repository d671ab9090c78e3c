import { RpcError, RpcStatus } from '@kumiko/fabric-grpc'
import { ErrorDetail } from '@kumiko/fabric-protocol'
import { expect, it } from 'vitest'
import { errorDetail, failureOf, goErrorText, refused, unreachable } from './outcome.ts'

const payload = Uint8Array.of(1)
const none = new Uint8Array()

function response(status: number, message = 'words', of = payload) {
  return { response: { status, message, payload: none }, payload: of }
}

it.each([200, 201, 399])('status %i is an endorsement', (status) => {
  expect(failureOf(response(status))).toBeUndefined()
})

it.each([199, 400, 500, 501])('status %i with a payload is what the chaincode answered: nobody else is asked', (status) => {
  const message = `chaincode response ${status}, words`
  expect(failureOf(response(status))).toEqual({ status: RpcStatus.unknown, message, isRetried: false })
})

it('status 500 without a payload is a failure of the peer: others are asked', () => {
  expect(failureOf(response(500, 'words', none))).toEqual({ status: RpcStatus.aborted, message: 'words', isRetried: true })
})

it('a response without status is none', () => {
  expect(failureOf({ response: undefined, payload })).toMatchObject({ status: RpcStatus.unknown, message: 'chaincode response 0, ' })
})

it('who cannot be reached is unavailable, and told of as Go prints it', () => {
  const error = new RpcError(RpcStatus.deadlineExceeded, 'late')
  const message = 'rpc error: code = DeadlineExceeded desc = late'
  expect(unreachable(error)).toEqual({ status: RpcStatus.unavailable, message, isRetried: true })
  expect(goErrorText(new Error('plain'))).toBe('plain')
  expect(goErrorText('thrown')).toBe('thrown')
})

it('what the peer itself refuses is a failed precondition in its own words', () => {
  const failure = refused(new RpcError(RpcStatus.unknown, 'error validating proposal: access denied'))
  expect(failure).toEqual({
    status: RpcStatus.failedPrecondition,
    message: 'error validating proposal: access denied',
    isRetried: false,
  })
})

it('a detail is a gateway.ErrorDetail', () => {
  const { typeUrl, value } = errorDetail({ address: 'peer:7051', mspId: 'Org1MSP' }, 'words')
  expect(typeUrl).toBe('type.googleapis.com/gateway.ErrorDetail')
  expect(ErrorDetail.decode(value)).toEqual({ address: 'peer:7051', mspId: 'Org1MSP', message: 'words' })
})
