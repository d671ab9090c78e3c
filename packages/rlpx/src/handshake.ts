import { type Curve, decodeRlpPrefix, encodeRlp, isRlpBytes, isRlpList, keccak256, type RlpItem } from '@kumiko/identity'
import { type Fault, isFault, type RandomBytes } from '@kumiko/interface'
import { ByteQueue } from './byte-queue.ts'
import { drawSecretKey, ECIES_OVERHEAD_BYTES, eciesDecrypt, eciesEncrypt } from './ecies.ts'
import type { Secrets } from './frame.ts'

/** The largest handshake message that is taken, without its size prefix. */
export const HANDSHAKE_SIZE_MAX = 2048
/** @see devp2p/rlpx.md § Initial Handshake, auth-vsn and ack-vsn */
const VERSION = 4
const NONCE_BYTES = 32
const SIGNATURE_BYTES = 65
const PUBLIC_KEY_BYTES = 64
/** The forms of before EIP-8: fixed sizes, no prefix. */
const PLAIN_AUTH_BYTES = SIGNATURE_BYTES + 32 + PUBLIC_KEY_BYTES + NONCE_BYTES + 1 + ECIES_OVERHEAD_BYTES
const PLAIN_ACK_BYTES = PUBLIC_KEY_BYTES + NONCE_BYTES + 1 + ECIES_OVERHEAD_BYTES
/** EIP-8 pads by a random amount, to at least this much more than the plain form. */
const PADDING_BYTES_MIN = 100
const PADDING_BYTES_MAX = 250

/** One side's keys and chances for one handshake. */
export interface HandshakeOptions {
  readonly curve: Curve
  readonly randomBytes: RandomBytes
  /** Our static key, 32 bytes. */
  readonly secretKey: Uint8Array
  /** The public key that goes with it, 64 bytes. */
  readonly publicKey: Uint8Array
}

/** What one side has when the handshake is done. */
export interface HandshakeDone {
  readonly secrets: Secrets
  /** The remote's static public key, 64 bytes, proven. */
  readonly remotePublicKey: Uint8Array
  /** To be sent, if anything. */
  readonly reply?: Uint8Array
  /** Bytes that came behind the handshake: they belong to the frames. */
  readonly rest: Uint8Array
}

/** What one side knows before the last step. */
export interface Agreement {
  readonly curve: Curve
  readonly ephemeral: Uint8Array
  readonly nonce: Uint8Array
  readonly remoteEphemeral: Uint8Array
  readonly remoteNonce: Uint8Array
  /** The handshake messages as they went over the wire. */
  readonly sent: Uint8Array
  readonly received: Uint8Array
}

const BAD = {
  auth: { fault: 'rlpx/bad-auth' },
  ack: { fault: 'rlpx/bad-ack' },
  size: { fault: 'rlpx/handshake-too-large' },
} as const satisfies Record<string, Fault>

/** The side that dialed. Sends `auth`, awaits `ack`. */
export class Initiator {
  readonly #options: HandshakeOptions
  readonly #remotePublicKey: Uint8Array
  readonly #ephemeral: Uint8Array
  readonly #nonce: Uint8Array
  readonly #queue = new Inbox()
  /** The message to send first. */
  readonly auth: Uint8Array

  /** @param remotePublicKey - Whom we mean to reach: 64 bytes, a point of the curve. */
  constructor(options: HandshakeOptions, remotePublicKey: Uint8Array) {
    const { curve, publicKey, randomBytes, secretKey } = options
    const shared = curve.ecdh(secretKey, remotePublicKey)
    if (shared === undefined)
      throw new TypeError('the remote public key must be a point of the curve, of 64 bytes: curve.expand makes them of 33')
    this.#options = options
    this.#remotePublicKey = remotePublicKey
    this.#ephemeral = drawSecretKey(curve, randomBytes)
    this.#nonce = randomBytes(NONCE_BYTES)
    const signature = curve.sign(xor(shared, this.#nonce), this.#ephemeral)
    const body = encodeRlp([signature, publicKey, this.#nonce, VERSION])
    this.auth = sealMessage(options, remotePublicKey, body)
  }

  /** @returns The end of the handshake, a fault, or undefined while more bytes are needed. */
  receive(chunk: Uint8Array): HandshakeDone | Fault | undefined {
    this.#queue.push(chunk)
    const message = openMessage(this.#queue, this.#options, PLAIN_ACK_BYTES, BAD.ack)
    if (message === undefined || isFault(message)) return message
    const fields = message.form === 'plain' ? plainAck(message.body) : fieldsOf(message.body, [PUBLIC_KEY_BYTES, NONCE_BYTES])
    if (fields === undefined) return BAD.ack
    const [remoteEphemeral, remoteNonce] = fields as [Uint8Array, Uint8Array]
    const { curve } = this.#options
    const secrets = deriveSecrets(
      {
        curve,
        ephemeral: this.#ephemeral,
        nonce: this.#nonce,
        remoteEphemeral,
        remoteNonce,
        sent: this.auth,
        received: message.wire,
      },
      'initiator',
    )
    if (secrets === undefined) return BAD.ack
    return { secrets, remotePublicKey: this.#remotePublicKey, rest: restOf(this.#queue) }
  }
}

/** The side that was dialed. Awaits `auth`, replies with `ack`. */
export class Recipient {
  readonly #options: HandshakeOptions
  readonly #queue = new Inbox()

  constructor(options: HandshakeOptions) {
    this.#options = options
  }

  /** @returns The end of the handshake, a fault, or undefined while more bytes are needed. */
  receive(chunk: Uint8Array): HandshakeDone | Fault | undefined {
    this.#queue.push(chunk)
    const message = openMessage(this.#queue, this.#options, PLAIN_AUTH_BYTES, BAD.auth)
    if (message === undefined || isFault(message)) return message
    const fields =
      message.form === 'plain' ? plainAuth(message.body) : fieldsOf(message.body, [SIGNATURE_BYTES, PUBLIC_KEY_BYTES, NONCE_BYTES])
    if (fields === undefined) return BAD.auth
    const [signature, remotePublicKey, remoteNonce] = fields as [Uint8Array, Uint8Array, Uint8Array]
    const { curve, randomBytes, secretKey } = this.#options
    const shared = curve.ecdh(secretKey, remotePublicKey)
    const remoteEphemeral = shared && curve.recover(xor(shared, remoteNonce), signature)
    if (remoteEphemeral === undefined) return BAD.auth
    const ephemeral = drawSecretKey(curve, randomBytes)
    const nonce = randomBytes(NONCE_BYTES)
    const ephemeralPublicKey = curve.publicKey(ephemeral)
    const reply =
      message.form === 'plain'
        ? eciesEncrypt(curve, randomBytes, remotePublicKey, Buffer.concat([ephemeralPublicKey, nonce, Uint8Array.of(0)]))
        : sealMessage(this.#options, remotePublicKey, encodeRlp([ephemeralPublicKey, nonce, VERSION]))
    const secrets = deriveSecrets(
      { curve, ephemeral, nonce, remoteEphemeral, remoteNonce, sent: reply, received: message.wire },
      'recipient',
    )
    if (secrets === undefined) return BAD.auth
    return { secrets, remotePublicKey, reply, rest: restOf(this.#queue) }
  }
}

/**
 * The secrets of a session.
 *
 * @returns Undefined if the remote's ephemeral key is no point of the curve.
 * @see devp2p/rlpx.md § Initial Handshake: ephemeral-key, shared-secret, aes-secret, mac-secret, egress-mac, ingress-mac
 */
export function deriveSecrets(known: Agreement, role: 'initiator' | 'recipient'): Secrets | undefined {
  const ephemeralKey = known.curve.ecdhOnce(known.ephemeral, known.remoteEphemeral)
  if (ephemeralKey === undefined) return undefined
  const nonces = role === 'initiator' ? [known.remoteNonce, known.nonce] : [known.nonce, known.remoteNonce]
  const sharedSecret = keccak256(ephemeralKey, keccak256(...nonces))
  const aes = keccak256(ephemeralKey, sharedSecret)
  const mac = keccak256(ephemeralKey, aes)
  return { aes, mac, egress: [xor(mac, known.remoteNonce), known.sent], ingress: [xor(mac, known.nonce), known.received] }
}

/** What has come in of a message. */
class Inbox extends ByteQueue {
  /** It was tried as the plain form. Once must do: an agreement at each chunk is what makes a trickle of bytes cost a core. */
  isPlainRefused = false
}

/** A message as it came: in which form, as the wire had it, and decrypted. */
interface Opened {
  readonly form: 'plain' | 'eip8'
  readonly wire: Uint8Array
  readonly body: Uint8Array
}

/**
 * Takes one message from the queue. The plain form starts with the byte 4 of an uncompressed point; EIP-8's size prefix can, too, so then
 * both are tried.
 *
 * @see EIP-8 § Implementation
 */
function openMessage(queue: Inbox, { curve, secretKey }: HandshakeOptions, plainBytes: number, bad: Fault): Opened | Fault | undefined {
  const prefix = queue.peek(2)
  if (prefix === undefined) return undefined
  const size = ((prefix[0] as number) << 8) | (prefix[1] as number)
  if (prefix[0] === 4 && !queue.isPlainRefused) {
    const plain = queue.peek(plainBytes)
    if (plain === undefined) return undefined
    const body = eciesDecrypt(curve, secretKey, plain)
    if (body !== undefined) return { form: 'plain', wire: queue.take(plainBytes) ?? plain, body }
    queue.isPlainRefused = true
  }
  if (size > HANDSHAKE_SIZE_MAX) return BAD.size
  if (size < ECIES_OVERHEAD_BYTES) return bad
  const wire = queue.take(2 + size)
  if (wire === undefined) return undefined
  const body = eciesDecrypt(curve, secretKey, wire.subarray(2), wire.subarray(0, 2))
  return body === undefined ? bad : { form: 'eip8', wire, body }
}

/** Pads, encrypts and prefixes a message. @see EIP-8 § Specification, RLPx handshake */
function sealMessage({ curve, randomBytes }: HandshakeOptions, publicKey: Uint8Array, body: Uint8Array): Uint8Array {
  const chance = (randomBytes(1)[0] as number) / 0x100
  const padding = randomBytes(PADDING_BYTES_MIN + Math.floor(chance * (PADDING_BYTES_MAX - PADDING_BYTES_MIN)))
  const message = Buffer.concat([body, padding])
  const size = message.length + ECIES_OVERHEAD_BYTES
  const prefix = Uint8Array.of(size >> 8, size & 0xff)
  return Buffer.concat([prefix, eciesEncrypt(curve, randomBytes, publicKey, message, prefix)])
}

/** The first items of an EIP-8 list, if they have these lengths. What follows them, and behind the list, is ignored. */
function fieldsOf(body: Uint8Array, lengths: readonly number[]): Uint8Array[] | undefined {
  const list = decodeRlpPrefix(body)
  if (!isRlpList(list)) return undefined
  const fields = lengths.map((length, i) => sized(list[i], length))
  return fields.every((field) => field !== undefined) ? fields : undefined
}

function sized(item: RlpItem | undefined, length: number): Uint8Array | undefined {
  return isRlpBytes(item) && item.length === length ? item : undefined
}

/** signature ‖ keccak256(ephemeral key) ‖ static key ‖ nonce ‖ 0 */
function plainAuth(body: Uint8Array): Uint8Array[] {
  const keyAt = SIGNATURE_BYTES + 32
  const nonceAt = keyAt + PUBLIC_KEY_BYTES
  return [body.subarray(0, SIGNATURE_BYTES), body.subarray(keyAt, nonceAt), body.subarray(nonceAt, nonceAt + NONCE_BYTES)]
}

/** ephemeral key ‖ nonce ‖ 0 */
function plainAck(body: Uint8Array): Uint8Array[] {
  return [body.subarray(0, PUBLIC_KEY_BYTES), body.subarray(PUBLIC_KEY_BYTES, PUBLIC_KEY_BYTES + NONCE_BYTES)]
}

function restOf(queue: ByteQueue): Uint8Array {
  return queue.take(queue.length) ?? new Uint8Array()
}

function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((byte, i) => byte ^ (b[i] as number))
}
