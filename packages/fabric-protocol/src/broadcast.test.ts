import fabric from '@hyperledger/fabric-protos'
import { describe, expect, it } from 'vitest'
import { BroadcastResponse } from './broadcast.ts'

describe('BroadcastResponse', () => {
  it('is written as Fabric writes it', () => {
    const theirs = new fabric.orderer.BroadcastResponse()
    theirs.setStatus(fabric.common.Status.SERVICE_UNAVAILABLE)
    theirs.setInfo('no leader')
    const value = { status: 503, info: 'no leader' }
    expect(BroadcastResponse.encode(value)).toEqual(new Uint8Array(theirs.serializeBinary()))
    expect(BroadcastResponse.decode(theirs.serializeBinary())).toMatchObject(value)
  })
})
