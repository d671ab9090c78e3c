import { curve, fromHex, nodeIdOf, toHex } from '@kumiko/identity'
import { isFault } from '@kumiko/interface'
import { describe, expect, it } from 'vitest'
import vectors from '../vectors/discv5-wire.json' with { type: 'json' }
import { open, seal } from './cipher.ts'
import { deriveKeys, signIdentity, verifyIdentity } from './handshake.ts'
import { HeaderMask } from './header-mask.ts'
import { decodeMessage, encodeMessage } from './message.ts'
import { decodePacket, encodePacket, handshakeHeader, messageHeader, type Packet, whoareyouHeader } from './packet.ts'
import { RecordCache } from './record-cache.ts'

const bytes = (text: string | undefined): Uint8Array => {
  const read = fromHex((text ?? '').replace(/^0x/, ''))
  if (read === undefined) throw new Error(`no hex: ${text}`)
  return read
}

const nodeA = bytes(vectors.nodeAKey)
const idA = bytes(nodeIdOf(curve.publicKey(nodeA)))
const idB = bytes(nodeIdOf(curve.publicKey(bytes(vectors.nodeBKey))))
const maskB = new HeaderMask(idB)
const iv = new Uint8Array(16)

type Fields = Readonly<Record<string, string>>

function decoded(datagram: Uint8Array): Packet {
  const packet = decodePacket(datagram, maskB)
  if (packet === undefined || isFault(packet)) throw new Error('no packet')
  return packet
}

function ping(fields: Fields): Uint8Array {
  return encodeMessage({ requestId: bytes(fields['ping.req-id']), body: { type: 'ping', enrSeq: BigInt(fields['ping.enr-seq'] ?? '') } })
}

describe('the specification’s packets', () => {
  for (const vector of vectors.packets) {
    const fields: Fields = vector.fields
    const datagram = bytes(vector.hex)

    it(`decodes: ${vector.name}`, () => {
      const packet = decoded(datagram)
      if (packet.kind === 'whoareyou') {
        expect(toHex(packet.nonce)).toBe(toHex(bytes(fields['whoareyou.request-nonce'])))
        expect(toHex(packet.header)).toBe(toHex(bytes(fields['whoareyou.challenge-data'])))
        expect(packet.enrSeq).toBe(BigInt(fields['whoareyou.enr-seq'] ?? ''))
        return
      }
      expect(toHex(packet.sourceId)).toBe(toHex(bytes(fields['src-node-id'])))
      expect(toHex(packet.nonce)).toBe(toHex(bytes(fields.nonce)))
      const plain = open(bytes(fields['read-key']), packet.nonce, packet.sealed, packet.header)
      expect(plain && toHex(plain)).toBe(toHex(ping(fields)))
      expect(decodeMessage(plain ?? new Uint8Array(0))).toEqual({
        requestId: bytes(fields['ping.req-id']),
        body: { type: 'ping', enrSeq: BigInt(fields['ping.enr-seq'] ?? '') },
      })
      if (packet.kind === 'handshake') expect(toHex(packet.ephemeralKey)).toBe(toHex(bytes(fields['ephemeral-pubkey'])))
    })

    it(`encodes: ${vector.name}`, () => {
      expect(toHex(encoded(vector.flag, fields, datagram))).toBe(vector.hex)
    })
  }

  it('hold handshakes whose signatures and keys are right', () => {
    for (const vector of vectors.packets.filter(({ flag }) => flag === 2)) {
      const fields: Fields = vector.fields
      const packet = decoded(bytes(vector.hex))
      if (packet.kind !== 'handshake') throw new Error('no handshake')
      const challengeData = bytes(fields['whoareyou.challenge-data'])
      const publicKey = curve.compress(curve.publicKey(nodeA))
      expect(verifyIdentity(packet.idSignature, publicKey, { challengeData, ephemeralKey: packet.ephemeralKey, recipientId: idB })).toBe(
        true,
      )
      const point = curve.ecdhPoint(bytes(vectors.nodeBKey), packet.ephemeralKey) ?? new Uint8Array(0)
      const keys = deriveKeys(point, { challengeData, initiatorId: idA, recipientId: idB })
      expect(toHex(keys.subarray(0, 16))).toBe(toHex(bytes(fields['read-key'])))
      if (packet.record !== undefined) expect(new RecordCache().read(packet.record)?.nodeId).toBe(toHex(idA))
    }
  })
})

/** The record in the last vector is of 127.0.0.1 and needs no key of ours: it is taken from there. */
function encoded(flag: number, fields: Fields, datagram: Uint8Array): Uint8Array {
  const nonce = bytes(fields.nonce ?? fields['whoareyou.request-nonce'])
  if (flag === 1) {
    const idNonce = bytes(fields['whoareyou.id-nonce'])
    return encodePacket(whoareyouHeader(iv, nonce, idNonce, BigInt(fields['whoareyou.enr-seq'] ?? '')), new Uint8Array(0), maskB)
  }
  const header = flag === 0 ? messageHeader(iv, nonce, idA) : handshakeOf(fields, nonce, datagram)
  return encodePacket(header, seal(bytes(fields['read-key']), nonce, ping(fields), header), maskB)
}

function handshakeOf(fields: Fields, nonce: Uint8Array, datagram: Uint8Array): Uint8Array {
  const packet = decoded(datagram)
  const ephemeralKey = curve.compress(curve.publicKey(bytes(fields['ephemeral-key'])))
  const challengeData = bytes(fields['whoareyou.challenge-data'])
  const idSignature = signIdentity(nodeA, { challengeData, ephemeralKey, recipientId: idB })
  return handshakeHeader(iv, nonce, {
    ...{ sourceId: idA, idSignature, ephemeralKey },
    record: packet.kind === 'handshake' ? packet.record : undefined,
  })
}

describe('the specification’s cryptography', () => {
  const { ecdh, kdf, idSignature, aesGcm } = vectors.crypto

  it('ECDH', () => {
    const shared = curve.ecdhPoint(bytes(ecdh.secretKey), bytes(ecdh.publicKey))
    expect(shared && toHex(shared)).toBe(ecdh.sharedSecret)
  })

  it('KDF', () => {
    const point = curve.ecdhPoint(bytes(kdf.ephemeralKey), bytes(kdf.destPubkey)) ?? new Uint8Array(0)
    const [initiatorId, recipientId, challengeData] = [bytes(kdf.nodeIdA), bytes(kdf.nodeIdB), bytes(kdf.challengeData)]
    const keys = deriveKeys(point, { challengeData, initiatorId, recipientId })
    expect([toHex(keys.subarray(0, 16)), toHex(keys.subarray(16))]).toEqual([kdf.initiatorKey, kdf.recipientKey])
  })

  it('id signature', () => {
    const handshake = {
      challengeData: bytes(idSignature.challengeData),
      ephemeralKey: bytes(idSignature.ephemeralPubkey),
      recipientId: bytes(idSignature.nodeIdB),
    }
    expect(toHex(signIdentity(bytes(idSignature.staticKey), handshake))).toBe(idSignature.idSignature)
    const publicKey = curve.compress(curve.publicKey(bytes(idSignature.staticKey)))
    expect(verifyIdentity(bytes(idSignature.idSignature), publicKey, handshake)).toBe(true)
    expect(verifyIdentity(bytes(idSignature.idSignature), publicKey, { ...handshake, recipientId: idB.map((byte) => byte ^ 1) })).toBe(
      false,
    )
  })

  it('AES-GCM', () => {
    const [key, nonce, plain, authenticated] = [bytes(aesGcm.key), bytes(aesGcm.nonce), bytes(aesGcm.pt), bytes(aesGcm.ad)]
    expect(toHex(seal(key, nonce, plain, authenticated))).toBe(aesGcm.ciphertextWithTag)
    expect(open(key, nonce, bytes(aesGcm.ciphertextWithTag), authenticated)).toEqual(Buffer.from(plain))
    expect(open(key, nonce, bytes(aesGcm.ciphertextWithTag).fill(0, 0, 1), authenticated)).toBeUndefined()
  })
})

describe('the specification’s limits', () => {
  const { limits } = vectors
  const datagrams = vectors.packets.map(({ hex }) => bytes(hex))

  it('takes nothing that is too short or too long', () => {
    for (const datagram of datagrams) {
      for (let length = 0; length < limits.minPacket; length++) expect(decodePacket(datagram.subarray(0, length), maskB)).toBeUndefined()
      const long = new Uint8Array(limits.maxPacket + 1)
      long.set(datagram)
      expect(decodePacket(long, maskB)).toBeUndefined()
      if (decoded(datagram).kind !== 'whoareyou') expect(decodePacket(long.subarray(0, limits.maxPacket), maskB)).not.toSatisfy(isFault)
    }
  })

  it('calls a truncated packet faulty, or reads what is left of its message', () => {
    for (const datagram of datagrams) {
      for (let length = limits.minPacket; length < datagram.length; length++) {
        const packet = decodePacket(datagram.subarray(0, length), maskB)
        expect(packet).toBeDefined()
        if (packet === undefined || isFault(packet) || packet.kind === 'whoareyou') continue
        expect(open(new Uint8Array(16), packet.nonce, packet.sealed, packet.header)).toBeUndefined()
      }
    }
  })

  it('leaves to others what is of another protocol, and blames another version', () => {
    for (const datagram of datagrams) {
      const other = datagram.slice()
      other[16] = (other[16] ?? 0) ^ 1
      expect(decodePacket(other, maskB)).toBeUndefined()
      const version = datagram.slice()
      version[23] = (version[23] ?? 0) ^ 2
      expect(decodePacket(version, maskB)).toEqual({ fault: 'discv5/bad-version' })
      const authdata = datagram.slice()
      authdata[37] = (authdata[37] ?? 0) ^ 0xff
      expect(decodePacket(authdata, maskB)).toEqual({ fault: 'discv5/bad-header' })
    }
  })

  it('refuses a request id of nine bytes', () => {
    const message = encodeMessage({ requestId: new Uint8Array(9), body: { type: 'ping', enrSeq: 1n } })
    expect(decodeMessage(message)).toEqual({ fault: 'discv5/bad-message', detail: 'request id' })
  })
})
