import { createIdentity, curve, nodeIdOf } from '@kumiko/identity'
import { seeded } from '@kumiko/testkit'
import { expect, test } from 'vitest'
import { encodePacket, signerOf } from './packet.ts'
import { SIGNERS_MAX, type Signer, Signers } from './signers.ts'

const { bytes } = seeded()

async function someone(): Promise<Signer & { readonly packet: Uint8Array }> {
  const { secretKey } = await createIdentity({ secretKey: bytes(32) })
  const publicKey = curve.publicKey(secretKey)
  return { publicKey, nodeId: nodeIdOf(publicKey), packet: encodePacket({ type: 'findnode', target: bytes(64), expiration: 1 }, secretKey) }
}

const at = { ip: '10.0.0.1', port: 30303 }

test('tells who signed, whoever was there before', async () => {
  const [known, stranger] = await Promise.all([someone(), someone()])
  const signers = new Signers()
  signers.remember({ nodeId: known.nodeId, publicKey: known.publicKey }, at)
  for (const { packet, nodeId, publicKey } of [known, stranger]) {
    expect(signers.of(packet, at)).toEqual({ nodeId, publicKey })
    expect(signers.of(packet, { ...at, port: 1 })).toEqual({ nodeId, publicKey })
  }
})

test('a signature that nobody can have made is nobody’s, at a known endpoint too', async () => {
  const { packet, nodeId, publicKey } = await someone()
  const signers = new Signers()
  signers.remember({ nodeId, publicKey }, at)
  const forged = packet.slice()
  forged.fill(0xff, 32, 97)
  expect([signers.of(forged, at), signerOf(forged)]).toEqual([undefined, undefined])
})

test('remembers so many endpoints, and forgets the oldest', async () => {
  const { nodeId, publicKey } = await someone()
  const signers = new Signers()
  for (let port = 1; port <= SIGNERS_MAX + 10; port++) signers.remember({ nodeId, publicKey }, { ...at, port })
  expect(signers.size).toBe(SIGNERS_MAX)
})
