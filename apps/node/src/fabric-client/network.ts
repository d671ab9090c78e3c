import { randomBytes } from 'node:crypto'
import { ordererEndpoints } from '@kumiko/fabric-deliver'
import { PROCESS_PROPOSAL } from '@kumiko/fabric-endorser'
import { type ClientTls, type Endpoint, GrpcClient, RpcError } from '@kumiko/fabric-grpc'
import { channelBundle, channelMsp, type LocalMsp } from '@kumiko/fabric-msp'
import { broadcastClient, unsuccessful } from '@kumiko/fabric-orderer'
import {
  buildProposal,
  Config,
  type Envelope,
  encodeUtf8,
  type Proposal,
  type ProposalRequest,
  type ProposalResponse,
  type Response,
  SignedProposal,
  signProposal,
} from '@kumiko/fabric-protocol'
import { isFault, KumikoError } from '@kumiko/interface'
import { connectionProblem } from '../fabric/connection-problem.ts'
import type { CoreConfig } from '../fabric/core-config.ts'
import { clientTls, endpointOf, signerOf } from '../fabric/service-endpoint.ts'
import { StoppedError, UsageError } from '../failure.ts'
import { ConnectionProfile } from './connection-profile.ts'
import type { OrdererFlags, PeerFlags, ProfileFlags } from './flags.ts'

/** What a peer is asked: a chaincode, with arguments. */
export type Question = Omit<ProposalRequest, 'nonce' | 'timestamp'>

/** A peer, and what it answered. */
export interface Answer {
  readonly address: string
  readonly response: ProposalResponse
}

/** A proposal that was sent, with the answers. */
export interface Answers {
  readonly proposal: Proposal
  readonly txId: string
  readonly answers: readonly Answer[]
}

/** How a network is reached. */
export interface NetworkFlags extends OrdererFlags, PeerFlags, ProfileFlags {
  /** The channel, where what is asked is of one. */
  readonly channelID?: string
  /** Whether of a connection profile's peers those of other organisations are left out. */
  readonly isForOwnOrganization?: boolean
  /** Whether peers are shown our certificate where there is TLS: discovery asks for it. */
  readonly showsCertificate?: boolean
}

/** For one peer's answer: what it may take to run chaincode that must be built first. */
const ANSWER_MS = 300_000

/** A Fabric network, as a command's flags and `core.yaml` reach it: peers that are asked, and orderers. */
export class FabricNetwork implements Disposable {
  readonly signer: LocalMsp
  readonly peers: readonly Endpoint[]
  /** Where servers ask for our certificate. */
  readonly clientTls: ClientTls | undefined
  readonly #core: CoreConfig
  readonly #flags: NetworkFlags
  readonly #profile: ConnectionProfile | undefined
  readonly #signal: AbortSignal
  /** One a peer. */
  readonly #clients: readonly GrpcClient[]

  private constructor(
    own: {
      readonly signer: LocalMsp
      readonly profile: ConnectionProfile | undefined
      readonly peers: readonly Endpoint[]
      readonly clientTls: ClientTls | undefined
    },
    flags: NetworkFlags,
    core: CoreConfig,
    signal: AbortSignal,
  ) {
    this.signer = own.signer
    this.peers = own.peers
    this.clientTls = own.clientTls
    this.#profile = own.profile
    this.#flags = flags
    this.#core = core
    this.#signal = signal
    this.#clients = own.peers.map(
      (endpoint) => new GrpcClient(endpoint, own.clientTls && endpoint.tlsRoots ? { clientTls: own.clientTls } : {}),
    )
  }

  /** Connects nothing yet. @throws KumikoError `node/usage`, `node/no-msp`, `node/unreadable-file`; of a connection profile, as `ConnectionProfile`. */
  static async open(flags: NetworkFlags, core: CoreConfig, signal: AbortSignal): Promise<FabricNetwork> {
    const needsCertificate = core['peer.tls.clientAuthRequired'] || (core['peer.tls.enabled'] && flags.showsCertificate === true)
    const { clientTls: certificate } = await clientTls(needsCertificate ? { ...flags, clientauth: true } : flags, core)
    const profile = await profileOf(flags)
    const wish = { channelId: flags.channelID, targetPeer: flags.targetPeer, isOwnOnly: flags.isForOwnOrganization === true }
    const peers = profile === undefined ? await peersOf(flags, core) : await profile.peers(wish, core)
    const own = { signer: await signerOf(core), profile, peers, clientTls: certificate }
    return new FabricNetwork(own, flags, core, signal)
  }

  /**
   * Asks all peers the same.
   * @throws KumikoError `node/unreachable`, `node/refused` where a peer gives no answer; `node/stopped`.
   */
  async ask(question: Question): Promise<Answers> {
    return await this.#ask(question, this.#clients)
  }

  async #ask(question: Question, clients: readonly GrpcClient[]): Promise<Answers> {
    const { proposal, txId } = buildProposal({ ...question, nonce: new Uint8Array(randomBytes(24)), timestamp: now() }, this.signer.creator)
    const signed = SignedProposal.decode(signProposal(proposal, this.signer))
    if (isFault(signed)) throw new Error(signed.fault)
    const answers = await Promise.all(clients.map((client) => this.#askOne(client, signed)))
    return { proposal, txId, answers }
  }

  /** Asks the one peer; of a connection profile's, the first. @returns What it answered with a status below 400. @throws KumikoError `node/refused` with its words; UsageError of several. */
  async query(question: Question, what: string): Promise<Response> {
    if (this.#clients.length > 1 && this.#profile === undefined) throw new UsageError('a query is for one peer: give one --peerAddresses')
    return await this.#queryFirst(question, what)
  }

  async #queryFirst(question: Question, what: string): Promise<Response> {
    const { answers } = await this.#ask(question, this.#clients.slice(0, 1))
    const [
      {
        response: { response },
      } = none(),
    ] = answers
    if (response !== undefined && response.status >= 200 && response.status < 400) return response
    const status = `status:${response?.status ?? 0} message:${JSON.stringify(response?.message ?? '')}`
    throw new KumikoError('node/refused', `endorsement failure during ${what}. response: ${status}`)
  }

  /**
   * Has an envelope ordered.
   * @param channelId - Whose configuration names the orderers, where no flag does.
   * @throws KumikoError `node/refused` with the orderer's words, `node/unreachable`.
   */
  async broadcast(envelope: Envelope, channelId: string): Promise<void> {
    const timeoutMs = (this.#flags.connTimeout ?? this.#core['peer.deliveryclient.connTimeout'] / 1000) * 1000
    const own = this.clientTls
    const client = broadcastClient(await this.orderers(channelId), {
      timeoutMs: Math.max(timeoutMs, 30_000),
      ...(own && { clientTls: own }),
    })
    try {
      const result = await client.broadcast(envelope, { signal: this.#signal })
      if (result.outcome === 'rejected') throw new KumikoError('node/refused', unsuccessful(result.response))
      if (result.outcome === 'accepted') return
      const [failure] = result.failures
      const problem = failure && (await connectionProblem(failure.endpoint))
      const message = `${failure?.endpoint.address ?? ''}: ${problem ?? reasonOf(failure?.message ?? '')}`
      throw new KumikoError('node/unreachable', `no orderer took the transaction: ${message}`)
    } catch (error) {
      throw this.#signal.aborted
        ? new StoppedError('stopped before an orderer answered: the transaction may be in a block all the same')
        : error
    } finally {
      client.close()
    }
  }

  /** The orderer that flags name, or those that the connection profile does, or the channel's configuration. @throws As {@link query}. */
  async orderers(channelId: string): Promise<readonly Endpoint[]> {
    const { orderer } = this.#flags
    if (orderer !== undefined) return [await endpointOf(orderer, this.#flags, this.#core)]
    const named = (await this.#profile?.orderers(channelId, this.#core)) ?? []
    if (named.length > 0) return named
    // Of the peers that endorse, the first is asked: others may be another organisation's, and know none of ours without a channel.
    const asked = { channelId: '', chaincode: 'cscc', args: ['GetChannelConfig', channelId].map(encodeUtf8) }
    const response = await this.#queryFirst(asked, 'query')
    const config = Config.decode(response.payload)
    const bundle = isFault(config) ? config : channelBundle(channelId, config, channelMsp)
    if (isFault(bundle))
      throw new KumikoError('node/refused', `the peer's configuration of ${channelId} cannot be read: ${bundle.detail ?? bundle.fault}`)
    const endpoints = ordererEndpoints(bundle, { tls: this.#flags.tls ?? this.#core['peer.tls.enabled'] })
    if (endpoints.length > 0) return endpoints
    throw new UsageError(`the configuration of ${channelId} names no orderer: name one with -o`)
  }

  /** Ends what is under way. */
  get signal(): AbortSignal {
    return this.#signal
  }

  [Symbol.dispose](): void {
    for (const client of this.#clients) client.close()
  }

  /** Who is refused may be another than was meant. */
  #deniedAs(cause: unknown): string | undefined {
    const reason = reasonOf(cause)
    if (!reason.includes('access denied')) return
    const { mspId } = this.signer.msp
    return `${reason}; it was asked as a member of ${mspId}: see that CORE_PEER_LOCALMSPID is the MSP of CORE_PEER_MSPCONFIGPATH, and on the channel`
  }

  async #askOne(client: GrpcClient, signed: SignedProposal): Promise<Answer> {
    const { address } = client.endpoint
    try {
      return { address, response: await client.call(PROCESS_PROPOSAL, signed, { signal: this.#signal, timeoutMs: ANSWER_MS }) }
    } catch (cause) {
      if (this.#signal.aborted) throw new StoppedError('stopped before the peer answered')
      const isLost = cause instanceof RpcError && cause.status === 14
      const problem = isLost ? await connectionProblem(client.endpoint) : this.#deniedAs(cause)
      const message = `${address}: ${problem ?? reasonOf(cause)}`
      throw new KumikoError(isLost ? 'node/unreachable' : 'node/refused', message, { cause })
    }
  }
}

async function profileOf({ connectionProfile, targetPeer, peerAddresses }: NetworkFlags): Promise<ConnectionProfile | undefined> {
  if (connectionProfile !== undefined && peerAddresses !== undefined)
    throw new UsageError('give --connectionProfile or --peerAddresses, not both')
  if (connectionProfile !== undefined) return await ConnectionProfile.load(connectionProfile)
  if (targetPeer !== undefined) throw new UsageError('--targetPeer names a peer of a connection profile: give --connectionProfile too')
  return undefined
}

async function peersOf({ peerAddresses, tlsRootCertFiles = [] }: PeerFlags, core: CoreConfig): Promise<readonly Endpoint[]> {
  const isTls = core['peer.tls.enabled']
  const own = core['peer.address']
  const addresses = peerAddresses ?? (own === '' ? [] : [own])
  if (addresses.length === 0) throw new UsageError('no peer to ask: name it with CORE_PEER_ADDRESS, or --peerAddresses')
  if (isTls && peerAddresses !== undefined && tlsRootCertFiles.length > 0 && tlsRootCertFiles.length !== addresses.length)
    throw new UsageError('want as many --tlsRootCertFiles as --peerAddresses')
  const override = core['peer.tls.serverhostoverride']
  return await Promise.all(
    addresses.map((address, at) => {
      const cafile = tlsRootCertFiles[at]
      return endpointOf(address, { tls: isTls, ...(cafile && { cafile }), ...(override && { ordererTLSHostnameOverride: override }) }, core)
    }),
  )
}

function now(): ProposalRequest['timestamp'] {
  const ms = Date.now()
  return { seconds: BigInt(Math.floor(ms / 1000)), nanos: (ms % 1000) * 1_000_000 }
}

/** What gRPC says, without what it says always. */
function reasonOf(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause)
  return message.replace(/^No connection established\. Last error: (Error: )?/, 'no connection: ').replace(/\.? Resolution note: *$/, '')
}

function none(): never {
  throw new UsageError('no peer to ask')
}
