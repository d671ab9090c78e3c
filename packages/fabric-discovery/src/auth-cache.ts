import { type SignedData, sha256, toHex } from '@kumiko/fabric-protocol'

/** What is kept of channels' verdicts. */
export interface AuthCacheOptions {
  /** Verdicts of one channel. */
  readonly entriesMax: number
  /** How many of them are left when there are more: 0 to 1. */
  readonly retentionRatio: number
}

interface Verdicts {
  /** What the verdicts are of. */
  readonly configuration: unknown
  readonly known: Map<string, boolean>
}

/**
 * Who was let in lately, by what they signed: clients send the same request again and again. One channel's verdicts go when it is configured anew.
 * @see Fabric `discovery/authcache.go`
 */
export class AuthCache {
  readonly #options: AuthCacheOptions
  /** By channel, of those that there are. */
  readonly #channels = new Map<string, Verdicts>()

  constructor(options: AuthCacheOptions) {
    this.#options = options
  }

  /** @param configuration - What verdicts hold for: the same value for the same. @param judge - Asked where nobody knows. */
  isEligible(channelId: string, configuration: unknown, signed: SignedData, judge: () => boolean): boolean {
    const before = this.#channels.get(channelId)
    const verdicts =
      before !== undefined && before.configuration === configuration ? before : { configuration, known: new Map<string, boolean>() }
    this.#channels.set(channelId, verdicts)
    const key = keyOf(signed)
    const verdict = verdicts.known.get(key) ?? judge()
    if (!verdicts.known.has(key)) this.#makeRoom(verdicts.known)
    verdicts.known.set(key, verdict)
    return verdict
  }

  #makeRoom(known: Map<string, boolean>): void {
    const { entriesMax, retentionRatio } = this.#options
    if (known.size < entriesMax) return
    let surplus = known.size - Math.floor(entriesMax * retentionRatio)
    for (const oldest of known.keys()) {
      if (surplus-- <= 0) return
      known.delete(oldest)
    }
  }
}

/** Each part by its own hash: no two splits of the same bytes are one. */
function keyOf({ identity, message, signature }: SignedData): string {
  return toHex(sha256(sha256(identity), sha256(message), sha256(signature)))
}
