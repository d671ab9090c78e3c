import {
  type Block,
  ChaincodeAction,
  ChaincodeActionPayload,
  ChaincodeEvent,
  ChannelHeader,
  Envelope,
  Header,
  HeaderType,
  Payload,
  ProposalResponsePayload,
  Transaction,
  ValidationCode,
} from '@kumiko/fabric-protocol'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { BlockEvents } from './block-events.ts'

function transaction(txId: string, event: Partial<ChaincodeEvent> | undefined, type: number = HeaderType.endorserTransaction): Uint8Array {
  const events = event === undefined ? new Uint8Array() : ChaincodeEvent.encode({ txId, ...event })
  const extension = ChaincodeAction.encode({ events })
  const proposalResponsePayload = ProposalResponsePayload.encode({ extension })
  const payload = ChaincodeActionPayload.encode({ action: { proposalResponsePayload, endorsements: [] } })
  const header = Header.create({ channelHeader: ChannelHeader.encode({ type, txId }) })
  const data = Transaction.encode({ actions: [{ header: new Uint8Array(), payload }] })
  return Envelope.encode({ payload: Payload.encode({ header, data }) })
}

function block(data: readonly Uint8Array[], codes: readonly number[] = data.map(() => ValidationCode.valid)): Block {
  const header = { number: 7n, previousHash: new Uint8Array(), dataHash: new Uint8Array() }
  return { header, data, metadata: [new Uint8Array(), new Uint8Array(), Uint8Array.from(codes)] }
}

const texts = (events: readonly ChaincodeEvent[] | undefined) => events?.map(({ txId, eventName }) => `${txId}:${eventName}`)
const good = { chaincodeId: 'cc', eventName: 'e' }

it('has the events of valid transactions of chaincode, in their order', () => {
  const events = new BlockEvents(
    block(
      [
        transaction('t0', good),
        transaction('t1', { chaincodeId: 'other', eventName: 'o' }),
        transaction('t2', good, HeaderType.config),
        transaction('t3', good),
        transaction('t4', undefined),
        transaction('t5', { chaincodeId: 'cc' }),
        transaction('t6', { ...good, payload: Uint8Array.of(9) }),
      ],
      [0, 0, 0, ValidationCode.mvccReadConflict, 0, 0, 0],
    ),
  )
  expect(events.number).toBe(7n)
  expect(texts(events.of('cc'))).toEqual(['t0:e', 't6:e'])
  expect(texts(events.of('other'))).toEqual(['t1:o'])
  expect(events.of('none')).toEqual([])
  expect(events.transactions.map(({ txId, code }) => [txId, code])).toContainEqual(['t3', ValidationCode.mvccReadConflict])
})

it('has what comes after a transaction, be it of another chaincode, invalid or without events', () => {
  const data = [
    transaction('t0', good),
    transaction('t1', { chaincodeId: 'other', eventName: 'o' }),
    transaction('t2', undefined),
    transaction('t3', good),
  ]
  const events = new BlockEvents(block(data, [0, 0, ValidationCode.badRwset, 0]))
  expect(texts(events.after('t0', 'cc'))).toEqual(['t3:e'])
  expect(texts(events.after('t1', 'cc'))).toEqual(['t3:e'])
  expect(texts(events.after('t2', 'cc'))).toEqual(['t3:e'])
  expect(texts(events.after('t3', 'cc'))).toEqual([])
  expect(events.after('t9', 'cc')).toBeUndefined()
})

it('reads a block once, and is not stopped by what cannot be read', () => {
  const events = new BlockEvents(block([Uint8Array.of(0xff), transaction('t1', good)]))
  expect(events.transactions).toBe(events.transactions)
  expect(texts(events.of('cc'))).toEqual(['t1:e'])
  expect(events.transactions[0]).toEqual({ txId: '', code: 0, events: [] })
})

it('takes a block without validation codes as invalid', () => {
  expect(new BlockEvents({ ...block([transaction('t', good)]), metadata: [] }).of('cc')).toEqual([])
})

it('takes any bytes', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 60 })), fc.integer({ min: 0, max: 500 }), (rest, cut) => {
      const events = new BlockEvents(block([...rest, transaction('t', good).subarray(0, cut)]))
      expect(events.transactions).toHaveLength(rest.length + 1)
    }),
    { seed: 42, numRuns: 300 },
  )
})
