import { certificateOf } from '@kumiko/fabric-msp'
import type { SignedData } from '@kumiko/fabric-protocol'
import { type Fault, isFault, type Millis } from '@kumiko/interface'

/** Says whether who signed may have a channel's blocks. */
export type CheckReader = (channelId: string, signed: SignedData) => Fault | undefined

/**
 * Whether a client may have the next block. Its access is judged at first, and again when the channel's configuration has changed; its
 * certificate's end is looked at each time.
 * @see Fabric `common/deliver/acl.go`
 */
export class Session {
  readonly #channelId: string
  readonly #signed: SignedData
  readonly #check: CheckReader
  /** Infinity where the identity tells none: then it is not ours to judge. */
  readonly #expiresAt: Millis
  #sequence: bigint | undefined

  constructor(channelId: string, signed: SignedData, check: CheckReader) {
    this.#channelId = channelId
    this.#signed = signed
    this.#check = check
    const certificate = certificateOf(signed.identity)
    this.#expiresAt = isFault(certificate) ? Number.POSITIVE_INFINITY : certificate.notAfter * 1000
  }

  /** @param sequence - The channel's configuration's. @returns Why not: status FORBIDDEN. */
  evaluate(sequence: bigint, now: Millis): Fault | undefined {
    if (now > this.#expiresAt) return { fault: 'fabric-deliver/expired', detail: 'deliver client identity expired' }
    if (this.#sequence !== undefined && sequence <= this.#sequence) return
    this.#sequence = sequence
    return this.#check(this.#channelId, this.#signed)
  }
}
