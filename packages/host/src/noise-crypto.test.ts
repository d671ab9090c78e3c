import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Connection, Libp2p } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { defaultCrypto } from '@libp2p/noise/crypto'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p as createVanilla } from 'libp2p'
import { Uint8ArrayList } from 'uint8arraylist'
import { expect, test } from 'vitest'
import { createLibp2p } from './create-libp2p.ts'
import { noiseCrypto } from './noise-crypto.ts'

const ours = noiseCrypto(defaultCrypto)
const bytes = (seed: number) => Uint8Array.from({ length: 32 }, (_, index) => (index * 37 + seed) & 255)

test('agrees as the default crypto does, with keys of either', () => {
  for (const [a, b] of [
    [ours, defaultCrypto],
    [defaultCrypto, ours],
    [ours, ours],
  ] as const) {
    const [left, right] = [a.generateX25519KeyPair(), b.generateX25519KeyPair()]
    const expected = Buffer.from(defaultCrypto.generateX25519SharedKey(left.privateKey, right.publicKey))
    const list = new Uint8ArrayList(right.publicKey.subarray(0, 5), right.publicKey.subarray(5))
    expect([left.publicKey.length, left.privateKey.length]).toEqual([32, 32])
    expect(Buffer.from(ours.generateX25519SharedKey(left.privateKey, list))).toEqual(expected)
    expect(Buffer.from(ours.generateX25519SharedKey(left.privateKey.slice(), right.publicKey))).toEqual(expected)
    expect(Buffer.from(ours.generateX25519SharedKey(new Uint8ArrayList(right.privateKey), left.publicKey))).toEqual(expected)
  }
  expect(() => ours.generateX25519SharedKey(bytes(1), new Uint8Array(32))).toThrow()
  expect(() => ours.generateX25519SharedKey(bytes(1), new Uint8Array(31))).toThrow()
})

test.each([0, 32])('derives the same keys from %i bytes', (length) => {
  const input = bytes(3).subarray(0, length)
  expect(ours.getHKDF(bytes(2), input)).toEqual(defaultCrypto.getHKDF(bytes(2), input))
})

test('speaks with a vanilla node, whoever dials', async () => {
  const parts = { transports: [tcp()], streamMuxers: [yamux()], addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] } }
  const host: Libp2p = await createLibp2p({
    ...parts,
    privateKey: await generateKeyPair('Ed25519'),
    connectionEncrypters: [noise({ crypto: ours })],
    services: { ping: ping() },
  })
  const vanilla: Libp2p = await createVanilla({ ...parts, connectionEncrypters: [noise()], services: { ping: ping() } })
  try {
    const connections: Connection[] = [await host.dial(vanilla.getMultiaddrs()), await vanilla.dial(host.getMultiaddrs(), { force: true })]
    for (const connection of connections) {
      const stream = await connection.newStream('/ipfs/ping/1.0.0')
      const echoed = new Promise<Uint8Array>((resolve) => stream.addEventListener('message', ({ data }) => resolve(data.subarray())))
      stream.send(bytes(7))
      expect(Buffer.from(await echoed)).toEqual(Buffer.from(bytes(7)))
    }
  } finally {
    await Promise.all([host.stop(), vanilla.stop()])
  }
})
