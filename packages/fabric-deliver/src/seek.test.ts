import fabric from '@hyperledger/fabric-protos'
import type { Signer } from '@kumiko/fabric-protocol'
import { describe, expect, it } from 'vitest'
import { encodeSeek, type Seek, seekEnvelope } from './seek.ts'

const { common, orderer } = fabric
const { BLOCK_UNTIL_READY, FAIL_IF_NOT_READY } = orderer.SeekInfo.SeekBehavior
const signer: Signer = { creator: Uint8Array.of(1, 2), sign: (message) => Uint8Array.of(9, message.length) }

function read(seek: Seek): ReturnType<InstanceType<typeof orderer.SeekInfo>['toObject']> {
  return orderer.SeekInfo.deserializeBinary(encodeSeek(seek)).toObject()
}

describe('a seek', () => {
  it('is read by Fabric as it is meant', () => {
    expect(read({ start: 7n, waits: true })).toMatchObject({
      start: { specified: { number: 7 } },
      behavior: BLOCK_UNTIL_READY,
      errorResponse: 0,
    })
    expect(read({ start: 'oldest', stop: 'newest', waits: false, bestEffort: true })).toMatchObject({
      start: { oldest: {}, newest: undefined, specified: undefined, nextCommit: undefined },
      stop: { newest: {}, oldest: undefined },
      behavior: FAIL_IF_NOT_READY,
      errorResponse: 1,
    })
    expect(read({ start: 'nextCommit', stop: 9n, waits: true })).toMatchObject({
      start: { nextCommit: {} },
      stop: { specified: { number: 9 } },
    })
  })

  it('of block 0 says so', () => {
    const start = orderer.SeekInfo.deserializeBinary(encodeSeek({ start: 0n, waits: true })).getStart()
    expect(start?.hasSpecified()).toBe(true)
    expect(start?.getSpecified()?.getNumber()).toBe(0)
  })

  it('without a stop goes on to the number of no block', () => {
    // Number 3 of a SeekPosition, of which number 1 is 2^64 - 1.
    const bytes = encodeSeek({ start: 1n, waits: true })
    expect(Buffer.from(bytes).toString('hex')).toBe('0a041a020801120d1a0b08ffffffffffffffffff01')
  })
})

describe("a seek's envelope", () => {
  const origin = { channelId: 'ch', signer, nonce: new Uint8Array(24).fill(3), now: 1_700_000_000_999 }

  it('is signed, of its time, and bound to our TLS certificate', () => {
    const bytes = seekEnvelope({ start: 5n, waits: true }, { ...origin, tlsCertHash: Uint8Array.of(4, 5) })
    const envelope = common.Envelope.deserializeBinary(bytes)
    expect(envelope.getSignature_asU8()).toEqual(signer.sign(envelope.getPayload_asU8()))
    const payload = common.Payload.deserializeBinary(envelope.getPayload_asU8())
    const header = payload.getHeader()!
    expect(common.SignatureHeader.deserializeBinary(header.getSignatureHeader_asU8()).toObject()).toEqual({
      creator: 'AQI=',
      nonce: Buffer.alloc(24, 3).toString('base64'),
    })
    expect(common.ChannelHeader.deserializeBinary(header.getChannelHeader_asU8()).toObject()).toEqual({
      type: common.HeaderType.DELIVER_SEEK_INFO,
      version: 0,
      timestamp: { seconds: 1_700_000_000, nanos: 0 },
      channelId: 'ch',
      txId: '',
      epoch: 0,
      extension: '',
      tlsCertHash: 'BAU=',
    })
    expect(payload.getData_asU8()).toEqual(encodeSeek({ start: 5n, waits: true }))
  })

  it('has no hash without a certificate', () => {
    const payload = common.Payload.deserializeBinary(
      common.Envelope.deserializeBinary(seekEnvelope({ start: 5n, waits: true }, origin)).getPayload_asU8(),
    )
    expect(common.ChannelHeader.deserializeBinary(payload.getHeader()!.getChannelHeader_asU8()).getTlsCertHash_asU8()).toHaveLength(0)
  })
})
