import type { PeerInfo } from '@kumiko/fabric-discovery'
import type { Endpoint } from '@kumiko/fabric-grpc'
import type { ProposalResponse, SignedProposal } from '@kumiko/fabric-protocol'
import { deadline, raceAbort } from '@kumiko/interface'
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
  readonly #remotes = new Map<string, RemoteEndorser>()

  constructor(options: GatewayOptions) {
    this.#options = options
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
  async ask({ endorser, address }: Reached, signed: SignedProposal, signal: AbortSignal): Promise<Answer> {
    const { clock, endorsementTimeoutMs = TIMEOUT_MS, localEndorser } = this.#options
    const limit = deadline(clock, endorsementTimeoutMs, signal)
    try {
      const response = await raceAbort(endorser.processProposal(signed, { signal: limit }), limit)
      const failure = failureOf(response)
      if (failure === undefined) return { response }
      if (failure.isLost) this.#drop(address)
      return { failure }
    } catch (error) {
      signal.throwIfAborted()
      if (limit.aborted) return this.#lost(address, TIMED_OUT)
      return endorser === localEndorser ? { failure: refused(error) } : this.#lost(address, error)
    } finally {
      limit.clear()
    }
  }

  /** Ends all connections. */
  close(): void {
    for (const remote of this.#remotes.values()) remote.close()
    this.#remotes.clear()
  }

  #lost(address: string, error: unknown): Answer {
    this.#drop(address)
    return { failure: unreachable(error) }
  }

  /** It is connected to anew when it is needed again. */
  #drop(address: string): void {
    this.#remotes.get(address)?.close()
    this.#remotes.delete(address)
  }

  #remote(channelId: string, { endpoint: address, mspId }: PeerInfo): Endorser {
    const known = this.#remotes.get(address)
    if (known !== undefined) return known
    const [oldest] = this.#remotes.keys()
    if (oldest !== undefined && this.#remotes.size >= REMOTE_MAX) this.#drop(oldest)
    const remote = this.#options.remote(this.#endpointOf(channelId, address, mspId))
    this.#remotes.set(address, remote)
    return remote
  }

  #endpointOf(channelId: string, address: string, mspId: string): Endpoint {
    const { tls = true, channel } = this.#options
    const msp = channel(channelId)?.bundle.msps.msp(mspId)
    return tls && msp !== undefined ? { address, tlsRoots: [...msp.tlsRootCerts, ...msp.tlsIntermediateCerts] } : { address }
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
