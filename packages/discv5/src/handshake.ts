import { curve, enrOf, generateSecretKey, toHex } from '@kumiko/identity'
import type { Millis, NodeRecord, RandomBytes } from '@kumiko/interface'
import { newest } from '@kumiko/kademlia'
import type { Challenge } from './challenges.ts'
import { hkdf, sha256 } from './cipher.ts'
import type { HandshakeAuthdata, HandshakePacket, WhoareyouPacket } from './packet.ts'
import { readRecord } from './record-cache.ts'
import { Session } from './session.ts'

const KEY_INFO = new TextEncoder().encode('discovery v5 key agreement')
const SIGNATURE_TEXT = new TextEncoder().encode('discovery v5 identity proof')

/** What keys and signatures are made from. */
export interface HandshakeContext {
  /** masking-iv ‖ static-header ‖ authdata of the WHOAREYOU packet. */
  readonly challengeData: Uint8Array
  /** Node ids, 32 bytes: who answers WHOAREYOU, and who sent it. */
  readonly initiatorId: Uint8Array
  readonly recipientId: Uint8Array
  /** Of the initiator; compressed. */
  readonly ephemeralKey: Uint8Array
}

/** Two keys of 16 bytes: the initiator's, then the recipient's. @param sharedPoint - Compressed. @see discv5-theory.md § Sessions */
export function deriveKeys(sharedPoint: Uint8Array, handshake: Omit<HandshakeContext, 'ephemeralKey'>): Uint8Array {
  const info = concat(KEY_INFO, handshake.initiatorId, handshake.recipientId)
  return hkdf(handshake.challengeData, sharedPoint, info)
}

/** The initiator's proof that it holds its key. @param secretKey - Of the initiator. @returns 64 bytes, r‖s. */
export function signIdentity(secretKey: Uint8Array, handshake: Omit<HandshakeContext, 'initiatorId'>): Uint8Array {
  return curve.sign(identityHash(handshake), secretKey).subarray(0, 64)
}

/** @param publicKey - Of the initiator, compressed. */
export function verifyIdentity(signature: Uint8Array, publicKey: Uint8Array, handshake: Omit<HandshakeContext, 'initiatorId'>): boolean {
  const expanded = curve.expand(publicKey)
  return expanded !== undefined && curve.verify(identityHash(handshake), signature, expanded)
}

function identityHash({ challengeData, ephemeralKey, recipientId }: Omit<HandshakeContext, 'initiatorId'>): Uint8Array {
  return sha256(concat(SIGNATURE_TEXT, challengeData, ephemeralKey, recipientId))
}

/** Who we are in a handshake. */
export interface Self {
  readonly secretKey: Uint8Array
  /** 32 bytes. */
  readonly id: Uint8Array
  /** Made of an ENR. */
  readonly record: NodeRecord
  readonly randomBytes: RandomBytes
}

/** What answers a WHOAREYOU. */
export interface Initiation {
  readonly session: Session
  readonly authdata: HandshakeAuthdata
}

/**
 * Answers a WHOAREYOU, with an ephemeral key of its own.
 *
 * @param node - Who asks. @param id - Its id, 32 bytes.
 * @returns Undefined where its public key is none.
 */
export function initiate(
  self: Self,
  node: NodeRecord,
  id: Uint8Array,
  { header, enrSeq }: WhoareyouPacket,
  now: Millis,
): Initiation | undefined {
  const ephemeral = generateSecretKey(self.randomBytes)
  const ephemeralKey = curve.compress(curve.publicKey(ephemeral))
  const point = curve.ecdhPoint(ephemeral, node.publicKey)
  if (point === undefined) return undefined
  const keys = deriveKeys(point, { challengeData: header, initiatorId: self.id, recipientId: id })
  const idSignature = signIdentity(self.secretKey, { challengeData: header, ephemeralKey, recipientId: id })
  const record = self.record.seq > enrSeq ? enrOf(self.record)?.bytes : undefined
  return {
    session: new Session({ keys, role: 'initiator', node, now }),
    authdata: { sourceId: self.id, idSignature, ephemeralKey, record },
  }
}

/** A handshake that was accepted, and the message that came with it. */
export interface Acceptance {
  readonly session: Session
  /** With whom, by its newest record. */
  readonly node: NodeRecord
  readonly plain: Uint8Array
}

/** Why a handshake is not accepted. */
export type HandshakeFault = 'bad-record' | 'no-record' | 'bad-signature' | 'bad-ephemeral-key' | 'bad-seal'

/** Takes the answer to our WHOAREYOU. */
export function accept(
  self: Omit<Self, 'record' | 'randomBytes'>,
  packet: HandshakePacket,
  { challengeData, node: known }: Challenge,
  now: Millis,
): Acceptance | HandshakeFault {
  const told = packet.record === undefined ? undefined : readRecord(packet.record)
  if (packet.record !== undefined && told?.nodeId !== toHex(packet.sourceId)) return 'bad-record'
  const node = told === undefined ? known : newest(told, known)
  if (node === undefined) return 'no-record'
  const { ephemeralKey, idSignature, sourceId } = packet
  if (!verifyIdentity(idSignature, node.publicKey, { challengeData, ephemeralKey, recipientId: self.id })) return 'bad-signature'
  const point = curve.ecdhPoint(self.secretKey, ephemeralKey)
  if (point === undefined) return 'bad-ephemeral-key'
  const keys = deriveKeys(point, { challengeData, initiatorId: sourceId, recipientId: self.id })
  const session = new Session({ keys, role: 'recipient', node, now })
  const plain = session.open(packet.nonce, packet.sealed, packet.header)
  return plain === undefined ? 'bad-seal' : { session, node, plain }
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
