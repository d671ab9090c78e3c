import { RpcError, RpcStatus } from '@kumiko/fabric-grpc'
import { certificateOf } from '@kumiko/fabric-msp'
import { ChannelHeader, Header, Proposal, type ProposalResponse, SignatureHeader, type SignedProposal } from '@kumiko/fabric-protocol'
import { type Clock, isFault, type Millis } from '@kumiko/interface'
import { decode, isRefused, type Refused } from './proposal.ts'

/** Works on a proposal. @throws RpcError where the client is told nothing but an error. */
export type ProcessProposal = (signed: SignedProposal, options?: { readonly signal?: AbortSignal }) => Promise<ProposalResponse>

/** Stands before an endorser: lets a proposal pass to the next, or throws RpcError. @see Fabric `core/handlers/auth/auth.go` Filter */
export type AuthFilter = (next: ProcessProposal) => ProcessProposal

/** Refuses clients whose certificates have ended: no other check looks at that. @see Fabric `core/handlers/auth/filter/expiration.go` */
export function expirationCheck(clock: Pick<Clock, 'now'>): AuthFilter {
  const expiries = new Expiries()
  return filterOf((signed) => {
    const header = headerOf(signed)
    if (isRefused(header)) return header
    const signature = parse(decode(SignatureHeader, header.signatureHeader), 'signature header')
    if (isRefused(signature)) return signature
    return clock.now() > expiries.of(signature.creator) ? { refused: 'proposal client identity expired' } : undefined
  })
}

/**
 * Refuses proposals that were not made lately by the peer's clock, as Fabric 3 does.
 * @param windowMs - To both sides. Fabric's `peer.authentication.timewindow` is 15 minutes.
 * @see Fabric `core/handlers/auth/filter/timewindow.go`
 */
export function timeWindowCheck(clock: Pick<Clock, 'now'>, windowMs: Millis): AuthFilter {
  return filterOf((signed) => {
    const header = headerOf(signed)
    if (isRefused(header)) return header
    const channel = parse(decode(ChannelHeader, header.channelHeader), 'channel header')
    if (isRefused(channel)) return channel
    const { seconds, nanos } = channel.timestamp ?? { seconds: 0n, nanos: 0 }
    const [proposedAt, now] = [Number(seconds) * 1000 + nanos / 1e6, clock.now()]
    if (Math.abs(now - proposedAt) <= windowMs) return
    const times = `${timeText(proposedAt)}, peer time ${timeText(now)}, peer.authentication.timewindow ${windowMs / 1000}s`
    return { refused: `request unauthorized due to incorrect timestamp ${times}` }
  })
}

/** Creators whose certificates are known, 2 kB each at most. */
const CREATORS_MAX = 1000
const CREATOR_BYTES_MAX = 2000

/** When certificates end, of creators that came lately: to read one costs as much as a signature's check. */
class Expiries {
  readonly #known = new Map<string, Millis>()

  /** @param creator - A `SerializedIdentity`'s bytes. @returns Never for one without a certificate. */
  of(creator: Uint8Array): Millis {
    if (creator.length > CREATOR_BYTES_MAX) return expiryOf(creator)
    const key = Buffer.from(creator.buffer, creator.byteOffset, creator.length).toString('latin1')
    const known = this.#known.get(key)
    if (known !== undefined) return known
    if (this.#known.size >= CREATORS_MAX) this.#known.clear()
    const expiry = expiryOf(creator)
    this.#known.set(key, expiry)
    return expiry
  }
}

function expiryOf(creator: Uint8Array): Millis {
  const certificate = certificateOf(creator)
  return isFault(certificate) ? Number.POSITIVE_INFINITY : certificate.notAfter * 1000
}

function filterOf(check: (signed: SignedProposal) => Refused | undefined): AuthFilter {
  return (next) => async (signed, options) => {
    const refusal = check(signed)
    if (refusal !== undefined) throw new RpcError(RpcStatus.unknown, refusal.refused)
    return await next(signed, options)
  }
}

function headerOf(signed: SignedProposal): Header | Refused {
  const proposal = parse(decode(Proposal, signed.proposalBytes), 'proposal')
  return isRefused(proposal) ? proposal : parse(decode(Header, proposal.header), 'header')
}

function parse<T extends object>(decoded: T | Refused, what: string): T | Refused {
  return isRefused(decoded) ? { refused: `failed parsing ${what}: ${decoded.refused}` } : decoded
}

/** As RFC 3339 has it; a time that no date is, as milliseconds. */
function timeText(at: Millis): string {
  const date = new Date(at)
  return Number.isNaN(date.getTime()) ? String(at) : date.toISOString().replace(/\.\d+Z$/, 'Z')
}
