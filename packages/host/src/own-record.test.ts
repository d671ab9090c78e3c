import { createIdentity, withPeer } from '@kumiko/identity'
import { PeerRecord, RecordEnvelope } from '@libp2p/peer-record'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import { OwnRecord } from './own-record.ts'

const [FIRST, SECOND] = [multiaddr('/ip4/127.0.0.1/tcp/1'), multiaddr('/ip4/127.0.0.1/tcp/2')]

test('is signed once, anew when the addresses change or ten minutes have gone, and is none without an address', async () => {
  const { peerId, privateKey } = await createIdentity()
  let [addresses, now, signatures]: [Multiaddr[], number, number] = [[], 1_000, 0]
  const counted = Object.assign(Object.create(privateKey), {
    sign: (message: Uint8Array) => {
      signatures += 1
      if (signatures === 4) throw new Error('the key is away')
      return privateKey.sign(message)
    },
  })
  const clock = { now: () => now, at: () => () => {} }
  const record = new OwnRecord({ peerId, privateKey: counted, clock, addressManager: { getAddresses: () => addresses } })
  const told = async (): Promise<string[]> => {
    const bytes = (await record.envelope()) ?? new Uint8Array()
    const { payload } = await RecordEnvelope.openAndCertify(bytes, PeerRecord.DOMAIN)
    const opened = PeerRecord.createFromProtobuf(payload)
    expect(opened.peerId.equals(peerId)).toBe(true)
    return opened.multiaddrs.map(String)
  }
  expect(await record.envelope()).toBe(undefined)
  addresses = [withPeer(FIRST, peerId)]
  expect(await Promise.all([told(), told(), told()])).toEqual([[`${FIRST}`], [`${FIRST}`], [`${FIRST}`]])
  expect(signatures).toBe(1)
  addresses = [FIRST, SECOND]
  expect([await told(), await told(), signatures]).toEqual([[`${FIRST}`, `${SECOND}`], [`${FIRST}`, `${SECOND}`], 2])
  now += 600_000
  expect([(await told()).length, signatures]).toEqual([2, 3])
  addresses = [SECOND]
  await expect(record.envelope()).rejects.toThrow('away')
  expect([await told(), signatures]).toEqual([[`${SECOND}`], 5])
})
