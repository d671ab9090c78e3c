import { ChaincodeAction, ChaincodeEvent, ProposalResponsePayload, writeReadWriteSet } from '@kumiko/fabric-protocol'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { payloadDifferences } from './payload-differences.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

interface Parts {
  readonly result?: string
  readonly event?: string
  readonly reads?: Readonly<Record<string, bigint>>
  readonly writes?: Readonly<Record<string, string | null>>
  readonly policy?: string
  readonly hidden?: string
}

function payload({ result = 'same', event = 'same', reads = {}, writes = {}, policy = 'same', hidden = 'same' }: Parts): Uint8Array {
  const keyValue = {
    reads: Object.entries(reads).map(([key, blockNumber]) => ({ key, version: { blockNumber, transactionNumber: 0n } })),
    rangeQueriesInfo: [],
    writes: Object.entries(writes).map(([key, value]) => ({ key, isDelete: value === null, value: bytes(value ?? '') })),
    metadataWrites: [{ key: 'm', entries: [{ name: 'VALIDATION_PARAMETER', value: bytes(policy) }] }],
  }
  const hashed = { hashedReads: [], hashedWrites: [], metadataWrites: [] }
  const namespaces = [{ namespace: 'cc', keyValue, collections: [{ collection: 'c', hashed, privateHash: bytes(hidden) }] }]
  const extension = ChaincodeAction.encode({
    results: writeReadWriteSet({ namespaces }),
    events: ChaincodeEvent.encode({ chaincodeId: 'cc', txId: 't', eventName: event, payload: bytes('p') }),
    response: { status: 200, message: '', payload: bytes(result) },
  })
  return ProposalResponsePayload.encode({ extension })
}

it.each<[string, Parts, Parts, readonly string[]]>([
  ['nothing', {}, {}, []],
  ['the result', {}, { result: 'other' }, ["response: status 200, message '', payload 'same' and status 200, message '', payload 'other'"]],
  ['the event', {}, { event: 'other' }, ["event: same of cc, payload 'p' and other of cc, payload 'p'"]],
  ['a version that was read', { reads: { k: 1n } }, { reads: { k: 2n } }, ['read of cc k: version 1.0 and version 2.0']],
  ['a read that one did not make', { reads: { k: 1n } }, {}, ['read of cc k: version 1.0 and nothing']],
  ['a value that was written', { writes: { k: 'a' } }, { writes: { k: 'b' } }, ["write of cc k: 'a' and 'b'"]],
  ['a write that is a deletion', { writes: { k: 'a' } }, { writes: { k: null } }, ["write of cc k: 'a' and deleted"]],
  ['a policy of a key', {}, { policy: 'other' }, ['metadata of cc m VALIDATION_PARAMETER: 73616d65 and 6f74686572']],
  ['private data, by its hash', {}, { hidden: 'other' }, ['private data of cc c: hash 73616d65 and hash 6f74686572']],
])('tells that %s differs', (_, one, other, expected) => {
  expect(payloadDifferences(payload(one), payload(other))).toEqual(expected)
})

it('tells so many differences and no more', () => {
  const writes = Object.fromEntries(Array.from({ length: 50 }, (_, at) => [`k${at}`, 'v']))
  const lines = payloadDifferences(payload({ writes }), payload({}))
  expect(lines).toHaveLength(21)
  expect(lines.at(-1)).toBe('30 more')
})

it('takes any bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(200), (one, cut) => {
      const other = payload({ reads: { k: 1n } }).subarray(0, cut)
      expect(payloadDifferences(one, other).length).toBeLessThan(22)
    }),
    { seed: 42, numRuns: 300 },
  )
})
