import protos from '@hyperledger/fabric-protos'
import {
  ChaincodeAction,
  ChaincodeInvocationSpec,
  ChaincodeProposalPayload,
  ChannelHeader,
  HashedRWSet,
  HeaderType,
  IdentifierHeader,
  KVRWSet,
  type Message,
  Metadata,
  OrdererBlockMetadata,
  ProposalResponse,
  Timestamp,
  ValidationCode,
  validationCodeName,
} from '@kumiko/fabric-protocol'
import { describe, expect, it } from 'vitest'

const { common, ledger, peer } = protos
const { kvrwset } = ledger.rwset
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** A message of `@hyperledger/fabric-protos` that reads and writes. */
interface Oracle {
  readonly deserializeBinary: (bytes: Uint8Array) => { serializeBinary(): Uint8Array }
}

/** Messages with every field set, so that a wrong number or type of a field shows. */
const version = { blockNumber: 2n ** 40n, transactionNumber: 7n }
const endKey = { startKey: 's', endKey: 'e', itrExhausted: true }
const rawReads = {
  kvReads: [
    { key: 'k', version },
    { key: 'l', version: undefined },
  ],
}
const cases: readonly [string, Uint8Array, Oracle][] = [
  written(ChannelHeader, common.ChannelHeader, {
    type: 3,
    version: -1,
    timestamp: { seconds: -5n, nanos: 9 },
    channelId: 'c',
    txId: 't',
    epoch: 2n ** 50n,
    extension: bytes('x'),
    tlsCertHash: bytes('h'),
  }),
  written(Metadata, common.Metadata, {
    value: bytes('v'),
    signatures: [{ signatureHeader: bytes('a'), signature: bytes('b'), identifierHeader: bytes('c') }],
  }),
  written(OrdererBlockMetadata, common.OrdererBlockMetadata, { lastConfig: { index: 52n }, consenterMetadata: bytes('c') }),
  written(IdentifierHeader, common.IdentifierHeader, { identifier: 2 ** 32 - 1, nonce: bytes('n') }),
  written(ChaincodeInvocationSpec, peer.ChaincodeInvocationSpec, {
    chaincodeSpec: {
      type: 2,
      chaincodeId: { path: 'p', name: 'n', version: 'v' },
      input: { args: [bytes('a'), new Uint8Array()], decorations: new Map([['d', bytes('e')]]), isInit: true },
      timeout: 30,
    },
  }),
  written(ChaincodeProposalPayload, peer.ChaincodeProposalPayload, { input: bytes('i'), transientMap: new Map([['k', bytes('v')]]) }),
  written(ProposalResponse, peer.ProposalResponse, {
    version: 1,
    timestamp: { seconds: 1n, nanos: 2 },
    response: { status: 200, message: 'OK', payload: bytes('p') },
    payload: bytes('q'),
    endorsement: { endorser: bytes('e'), signature: bytes('s') },
    interest: {
      chaincodes: [
        {
          name: 'n',
          collectionNames: ['c', 'd'],
          noPrivateReads: true,
          noPublicWrites: true,
          keyPolicies: [{ version: 1, rule: undefined, identities: [] }],
          disregardNamespacePolicy: true,
        },
      ],
    },
  }),
  written(ChaincodeAction, peer.ChaincodeAction, {
    results: bytes('r'),
    events: bytes('e'),
    response: { status: 500, message: 'é', payload: new Uint8Array() },
    chaincodeId: { path: '', name: 'cc', version: '1.0' },
  }),
  written(KVRWSet, kvrwset.KVRWSet, {
    reads: [{ key: 'k', version }],
    rangeQueriesInfo: [
      { ...endKey, rawReads, readsMerkleHashes: undefined },
      { ...endKey, rawReads: undefined, readsMerkleHashes: { maxDegree: 50, maxLevel: 2, maxLevelHashes: [bytes('h')] } },
    ],
    writes: [
      { key: 'w', isDelete: false, value: bytes('v') },
      { key: 'x', isDelete: true, value: new Uint8Array() },
    ],
    metadataWrites: [{ key: 'm', entries: [{ name: 'n', value: bytes('v') }] }],
  }),
  written(HashedRWSet, kvrwset.HashedRWSet, {
    hashedReads: [{ keyHash: bytes('k'), version }],
    hashedWrites: [{ keyHash: bytes('w'), isDelete: true, valueHash: bytes('h'), isPurge: true }],
    metadataWrites: [{ keyHash: bytes('m'), entries: [{ name: 'n', value: bytes('v') }] }],
  }),
]

function written<T extends object>(type: Message<T>, oracle: Oracle, value: T): [string, Uint8Array, Oracle] {
  expect(type.decode(type.encode(value))).toEqual(value)
  return [type.name, type.encode(value), oracle]
}

describe('messages', () => {
  it.each(cases)('%s is written as fabric-protos writes it', (_, bytes, oracle) => {
    expect(new Uint8Array(oracle.deserializeBinary(bytes).serializeBinary())).toEqual(bytes)
  })

  it('keep what fabric-protos loses: unknown fields', () => {
    const odd = Uint8Array.from([...Timestamp.encode({ seconds: 1n, nanos: 2 }), 0x78, 1])
    const value = Timestamp.decode(odd)
    if ('fault' in value) throw new Error(value.fault)
    expect(Timestamp.encode(value)).toEqual(odd)
    expect(common.LastConfig.deserializeBinary(odd).serializeBinary().length).toBeLessThan(odd.length)
  })
})

describe('numbers', () => {
  it('of validation codes and their names are Fabric’s', () => {
    const named = Object.values(ValidationCode).map((code) => [validationCodeName(code), code])
    expect(Object.fromEntries(named)).toEqual(peer.TxValidationCode)
    expect(validationCodeName(200)).toBeUndefined()
  })

  it('of header types are Fabric’s', () => {
    expect(Object.values(HeaderType)).toEqual(Object.values(common.HeaderType))
  })
})
