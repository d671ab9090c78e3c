import { nodeFromParts } from '@kumiko/identity'
import type { Millis, NodeId, NodeRecord, RandomBytes, UdpEndpoint } from '@kumiko/interface'
import { Tally } from '@kumiko/kademlia'
import { open, seal } from './cipher.ts'

const KEY_BYTES = 16
const NONCE_BYTES = 12

/** A key is not used for more messages than its counter tells apart. */
const MESSAGES_MAX = 2 ** 32 - 1

/** "Session keys should be kept in memory for a limited amount of time." */
const SESSION_AGE_MAX_MS: Millis = 12 * 3_600_000

/** The order of use is kept to this exactness: a map that is written to at each packet is slow. */
const TOUCH_MS: Millis = 1000

/** What a session is made of. */
export interface SessionOptions {
  /** As {@link deriveKeys} gives them. */
  readonly keys: Uint8Array
  readonly role: 'initiator' | 'recipient'
  /** Whom it is with. */
  readonly node: NodeRecord
  readonly now: Millis
}

/** Keys shared with one node at one endpoint. Small: there are a thousand of them, so the node's record is left to the table. */
export class Session {
  /** Both keys, then the node's public key. */
  readonly #keys: Uint8Array
  readonly nodeId: NodeId
  readonly #isInitiator: boolean
  readonly bornAt: Millis
  /** It sent us something that these keys open. True from the beginning for a recipient's. */
  isConfirmed: boolean
  /** The last time that its node was told of as met. */
  metAt: Millis = Number.NEGATIVE_INFINITY
  /** When its use was noted last. */
  usedAt: Millis = Number.NEGATIVE_INFINITY
  /** The public address that it counts for; undefined in private networks. */
  network: string | undefined
  /** What was agreed before, until these keys are confirmed; or at the same time, which the other one may go on with. */
  previous: Session | undefined
  #hasCrossed = false
  #sent = 0

  constructor({ keys, role, node, now }: SessionOptions) {
    this.#keys = new Uint8Array(2 * KEY_BYTES + node.publicKey.length)
    this.#keys.set(keys)
    this.#keys.set(node.publicKey, 2 * KEY_BYTES)
    this.#isInitiator = role === 'initiator'
    this.isConfirmed = !this.#isInitiator
    this.nodeId = node.nodeId
    this.bornAt = now
  }

  /** Whom it is with, as far as the session itself can tell: no record. @param from - The session's endpoint. */
  nodeAt({ ip, port }: UdpEndpoint): NodeRecord {
    return nodeFromParts({ publicKey: this.#keys.slice(2 * KEY_BYTES), endpoints: [{ host: ip, udp: port }] })
  }

  /** There is another one of the same time: `previous`. */
  get hasCrossed(): boolean {
    return this.#hasCrossed
  }

  /** The other one has made a handshake at the same time: both are kept. */
  crossed(other: Session): void {
    this.#hasCrossed = true
    this.previous = other
  }

  /** Its keys have done their service: agree anew. */
  isWorn(now: Millis): boolean {
    return this.#sent >= MESSAGES_MAX || now - this.bornAt > SESSION_AGE_MAX_MS
  }

  /** A nonce that was never used with these keys: a counter and 8 random bytes. */
  nonce(randomBytes: RandomBytes): Uint8Array {
    const nonce = randomBytes(NONCE_BYTES)
    const count = this.#sent++
    nonce[0] = count >>> 24
    nonce[1] = count >>> 16
    nonce[2] = count >>> 8
    nonce[3] = count
    return nonce
  }

  /** @param nonce - Of {@link nonce}. @param header - The packet's, in the clear. */
  seal(nonce: Uint8Array, message: Uint8Array, header: Uint8Array): Uint8Array {
    return seal(this.#key(this.#isInitiator), nonce, message, header)
  }

  /** @returns Undefined where it was not sealed with the other's key. */
  open(nonce: Uint8Array, sealed: Uint8Array, header: Uint8Array): Uint8Array | undefined {
    return open(this.#key(!this.#isInitiator), nonce, sealed, header)
  }

  #key(isInitiators: boolean): Uint8Array {
    return isInitiators ? this.#keys.subarray(0, KEY_BYTES) : this.#keys.subarray(KEY_BYTES, 2 * KEY_BYTES)
  }
}

/** One public address (IPv6: /64) has an eighth of all sessions at most, so that it cannot push out everyone else's. */
const NETWORK_SHARE = 8

/** Sessions by node and endpoint; the one that was unused for longest goes first, of an address that has too many before any other. */
export class Sessions {
  readonly #max: number
  /** In the order of use. */
  readonly #sessions = new Map<string, Session>()
  /** How many there are of each public address that has any. */
  readonly #counts = new Tally()

  /** @param max - Sessions kept. */
  constructor(max: number) {
    this.#max = max
  }

  get size(): number {
    return this.#sessions.size
  }

  get(key: string, now: Millis): Session | undefined {
    const session = this.#sessions.get(key)
    if (session === undefined || (now - session.usedAt < TOUCH_MS && now >= session.usedAt)) return session
    if (session.isWorn(now)) return this.#drop(key)
    session.usedAt = now
    this.#sessions.delete(key)
    this.#sessions.set(key, session)
    return session
  }

  /** Takes a session's place; what was there stays behind it until it is confirmed. @param network - As {@link Session.network}. */
  set(key: string, session: Session, network: string | undefined, now: Millis): void {
    const previous = this.get(key, now)
    if (previous !== undefined) {
      session.previous = previous
      previous.previous = undefined
    }
    this.#drop(key)
    session.network = network
    this.#sessions.set(key, session)
    if (network !== undefined) this.#counts.add(network)
    if (network !== undefined && this.#counts.of(network) > Math.ceil(this.#max / NETWORK_SHARE)) this.#dropOldest(network)
    if (this.#sessions.size > this.#max) this.#dropOldest()
  }

  #dropOldest(network?: string): void {
    for (const [key, session] of this.#sessions) {
      if (network !== undefined && session.network !== network) continue
      this.#drop(key)
      return
    }
  }

  #drop(key: string): undefined {
    const network = this.#sessions.get(key)?.network
    this.#sessions.delete(key)
    if (network !== undefined) this.#counts.remove(network)
  }
}
