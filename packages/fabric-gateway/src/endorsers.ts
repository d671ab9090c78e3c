import type { PeerInfo } from '@kumiko/fabric-discovery'
import { RpcError, RpcStatus } from '@kumiko/fabric-grpc'
import { equalBytes, type ProposalResponse, type SignedProposal } from '@kumiko/fabric-protocol'
import { deadline, raceAbort } from '@kumiko/interface'
import type { Logger } from '@libp2p/interface'
import type { Endorser, GatewayOptions, RemoteEndorser } from './contract.ts'
import { type Failure, failureOf, refused, TIMED_OUT, unreachable } from './outcome.ts'
import { byOrganization, type Candidate } from './peers.ts'

/** A peer that is asked for endorsements. */
export interface Reached extends Candidate {
  readonly endorser: Endorser
}

/** What an endorser made of a proposal. */
export type Answer =
  | { readonly response: ProposalResponse; readonly failure?: undefined }
  | { readonly response?: undefined; readonly failure: Failure }

interface Remote {
  readonly endorser: RemoteEndorser
  readonly tlsRoots: readonly Uint8Array[] | undefined
}

const SYSTEM_CHAINCODES: ReadonlySet<string> = new Set(['_lifecycle', 'cscc', 'lscc', 'qscc'])

const TIMEOUT_MS = 30_000

/** So many connections to other peers are kept; of more, the oldest is ended. */
const REMOTE_MAX = 256

/**
 * The peers that can endorse, and the connections to them, which are made when they are needed and dropped when they fail.
 * @see Fabric `internal/pkg/gateway/registry.go`
 */
export class Endorsers {
  readonly #options: GatewayOptions
  /** By address. */
  readonly #remotes = new Map<string, Remote>()
  readonly #log: Logger | undefined

  constructor(options: GatewayOptions) {
    this.#options = options
    this.#log = options.logger?.forComponent('kumiko:fabric-gateway')
  }

  /** The peers of a channel that can run a chaincode, by organisation, the best first. */
  async ofChaincode(channelId: string, chaincode: string): Promise<ReadonlyMap<string, readonly Reached[]>> {
    const peers = await this.#options.peers(channelId)
    const able = peers.filter((peer) => this.#canRun(peer, channelId, chaincode))
    const reached = able.flatMap((peer) => this.reach(channelId, peer) ?? [])
    return byOrganization(reached, this.#options.endpoint)
  }

  /** How a peer is asked; undefined where it does not say where it is. */
  reach(channelId: string, peer: PeerInfo): Reached | undefined {
    const { localEndorser, endpoint, channel } = this.#options
    const { mspId, endpoint: address } = peer
    if (this.#isOwn(peer))
      return { mspId, address: endpoint, height: channel(channelId)?.height ?? peer.ledgerHeight, endorser: localEndorser }
    if (address === '') return
    return { mspId, address, height: peer.ledgerHeight, endorser: this.#remote(channelId, peer) }
  }

  /**
   * Asks a peer, for the time that one may take.
   * @throws The signal's reason.
   */
  async ask(reached: Reached, signed: SignedProposal, signal: AbortSignal): Promise<Answer> {
    const answer = await this.#answer(reached, signed, signal)
    if (answer.failure !== undefined) this.#log?.('%s of %s did not endorse: %s', reached.address, reached.mspId, answer.failure.message)
    return answer
  }

  /** Ends all connections. */
  close(): void {
    for (const { endorser } of this.#remotes.values()) endorser.close()
    this.#remotes.clear()
  }

  async #answer({ endorser, address }: Reached, signed: SignedProposal, signal: AbortSignal): Promise<Answer> {
    const { clock, endorsementTimeoutMs = TIMEOUT_MS, localEndorser } = this.#options
    const limit = deadline(clock, endorsementTimeoutMs, signal)
    try {
      const response = await raceAbort(endorser.processProposal(signed, { signal: limit }), limit)
      const failure = failureOf(response)
      return failure === undefined ? { response } : { failure }
    } catch (error) {
      signal.throwIfAborted()
      if (limit.aborted) return { failure: unreachable(TIMED_OUT) }
      if (endorser === localEndorser) return { failure: refused(error) }
      // Connected to anew when it is needed again. Nothing else is cut off: what failed for one call may go well for others.
      if (isUnavailable(error) && this.#remotes.get(address)?.endorser === endorser) this.#drop(address)
      return { failure: unreachable(error) }
    } finally {
      limit.clear()
    }
  }

  #drop(address: string): void {
    this.#remotes.get(address)?.endorser.close()
    this.#remotes.delete(address)
  }

  #remote(channelId: string, { endpoint: address, mspId }: PeerInfo): Endorser {
    const tlsRoots = this.#tlsRoots(channelId, mspId)
    const known = this.#remotes.get(address)
    if (known !== undefined && areSame(known.tlsRoots, tlsRoots)) return known.endorser
    const [oldest] = this.#remotes.keys()
    if (known !== undefined) this.#drop(address)
    else if (oldest !== undefined && this.#remotes.size >= REMOTE_MAX) this.#drop(oldest)
    const endorser = this.#options.remote(tlsRoots === undefined ? { address } : { address, tlsRoots })
    this.#remotes.set(address, { endorser, tlsRoots })
    return endorser
  }

  /** As the channel has them now. */
  #tlsRoots(channelId: string, mspId: string): readonly Uint8Array[] | undefined {
    const { tls = true, channel } = this.#options
    const msp = tls ? channel(channelId)?.bundle.msps.msp(mspId) : undefined
    return msp && [...msp.tlsRootCerts, ...msp.tlsIntermediateCerts]
  }

  #canRun(peer: PeerInfo, channelId: string, chaincode: string): boolean {
    const { isSystem = (name) => SYSTEM_CHAINCODES.has(name), isRunning = () => false } = this.#options
    if (isSystem(chaincode) || peer.chaincodes.some(({ name }) => name === chaincode)) return true
    return this.#isOwn(peer) && isRunning(channelId, chaincode)
  }

  /** A peer may not tell itself where it is. */
  #isOwn({ mspId, endpoint }: PeerInfo): boolean {
    return mspId === this.#options.mspId && (endpoint === this.#options.endpoint || endpoint === '')
  }
}

function isUnavailable(error: unknown): boolean {
  return error instanceof RpcError && error.status === RpcStatus.unavailable
}

function areSame(a: Remote['tlsRoots'], b: Remote['tlsRoots']): boolean {
  if (a === undefined || b === undefined) return a === b
  return a.length === b.length && a.every((root, at) => root === b[at] || equalBytes(root, b[at] ?? new Uint8Array()))
}
