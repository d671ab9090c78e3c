import type { ChaincodeConnector } from '@kumiko/fabric-chaincode'
import { type FileSystem, memoryStateDatabase } from '@kumiko/fabric-ledger'
import type { LocalMsp } from '@kumiko/fabric-msp'
import { FabricPeer, type FabricPeerOptions, type PeerChannel } from '@kumiko/fabric-peer'
import type { Block, ProposalResponse, SignedProposal } from '@kumiko/fabric-protocol'
import { type Clock, KumikoError, type Millis } from '@kumiko/interface'
import type { ComponentLogger } from '@libp2p/interface'
import { localMspOf } from '../crypto/local-msp.ts'
import type { Member, Organization } from '../crypto/organization.ts'
import type { Endorser } from '../deployment/endorse.ts'
import { BlockGate } from '../faults/block-gate.ts'
import { DifferentAnswers } from '../faults/different-answers.ts'
import type { DevOrderer } from './dev-orderer.ts'
import type { Follower } from './in-step.ts'

/** What a peer of a network is made of. */
export interface DevPeerOptions extends Pick<FabricPeerOptions, 'membership' | 'distributePrivateData' | 'onCommit'> {
  readonly organization: Organization
  readonly member: Member
  readonly channelId: string
  readonly folder: string
  /** Whether its state is rebuilt from its blocks when it starts. */
  readonly isVolatile: boolean
  /** Of block files. */
  readonly fileSystem: FileSystem
  readonly orderer: DevOrderer
  /** 0 for any. */
  readonly port: number
  /** Where chaincode dials in; undefined where it does not. 0 for any. */
  readonly chaincodePort: number | undefined
  /** Ways to have the contracts running. */
  readonly connectors: readonly ChaincodeConnector[]
  /** By the name of a contract: the id under which it runs. */
  readonly packageId: (chaincode: string) => string | undefined
  readonly openState: FabricPeerOptions['openState'] | undefined
  readonly executeTimeoutMs: Millis | undefined
  readonly clock: Clock
  readonly logger: ComponentLogger | undefined
}

/** A peer of a network: it can be stopped, and started again where it was. */
export class DevPeer implements Endorser, Follower {
  readonly name: string
  readonly organization: Organization
  readonly msp: LocalMsp
  readonly gate: BlockGate
  readonly answers: DifferentAnswers = new DifferentAnswers()
  readonly #options: DevPeerOptions
  #peer: FabricPeer | undefined
  #port: number
  #chaincodePort: number | undefined

  constructor(options: DevPeerOptions) {
    this.#options = options
    this.name = options.member.name
    this.organization = options.organization
    this.msp = localMspOf(options.organization, options.member)
    this.gate = new BlockGate(options.clock)
    this.#port = options.port
    this.#chaincodePort = options.chaincodePort
  }

  get isAlive(): boolean {
    return this.#peer !== undefined
  }

  /** `localhost:7051`; the same for good, once it was started. */
  get address(): string {
    return `localhost:${this.#port}`
  }

  /** Where chaincode dials in; undefined where it does not. */
  get chaincodeAddress(): string | undefined {
    return this.#chaincodePort === undefined ? undefined : `localhost:${this.#chaincodePort}`
  }

  /** What runs. @throws KumikoError `fabric-devnet/peer-stopped`. */
  get peer(): FabricPeer {
    if (this.#peer !== undefined) return this.#peer
    throw new KumikoError('fabric-devnet/peer-stopped', `${this.name} does not run: revive it first`, { context: { peer: this.name } })
  }

  /** @throws KumikoError `fabric-devnet/peer-stopped`. */
  get channel(): PeerChannel {
    const { channelId } = this.#options
    const channel = this.peer.channel(channelId)
    if (channel !== undefined) return channel
    throw new KumikoError('fabric-devnet/peer-stopped', `${this.name} has not joined ${channelId}`, { context: { peer: this.name } })
  }

  isBehind(blockNumber: bigint): boolean {
    const channel = this.#peer?.channel(this.#options.channelId)
    return channel !== undefined && channel.failure === undefined && !this.gate.isShut && channel.ledger.state.height <= blockNumber
  }

  /** Takes its port, and goes on with what it has. Does nothing where it runs. */
  async start(): Promise<void> {
    if (this.#peer !== undefined) return
    const peer = new FabricPeer(this.#peerOptions())
    await peer.start()
    this.#peer = peer
    this.#port = portOf(peer.address)
    if (peer.chaincodeAddress !== undefined) this.#chaincodePort = portOf(peer.chaincodeAddress)
  }

  /** Begins the channel, unless it is there. */
  async join(genesis: Block): Promise<void> {
    const { channelId } = this.#options
    if (this.peer.channel(channelId) === undefined) await this.peer.join(genesis)
  }

  /** Ends it. Does nothing where it does not run. */
  async stop(): Promise<void> {
    const peer = this.#peer
    this.#peer = undefined
    this.gate.clear()
    await peer?.stop()
  }

  async processProposal(signed: SignedProposal, options: { readonly signal: AbortSignal }): Promise<ProposalResponse> {
    return await this.peer.endorser.processProposal(signed, options)
  }

  #peerOptions(): FabricPeerOptions {
    const { member, folder, fileSystem, isVolatile, orderer, connectors, packageId, executeTimeoutMs, clock, logger } = this.#options
    const { membership, distributePrivateData, onCommit, openState } = this.#options
    const tls = { certificate: bytes(member.tls.certificate), privateKey: bytes(member.tls.privateKey) }
    return {
      msp: this.msp,
      folder,
      fileSystem,
      listener: { listen: `127.0.0.1:${this.#port}`, tls },
      chaincode: {
        connectors: connectors.map((connector) => this.answers.guard(connector)),
        ownPackageId: (_, chaincode) => packageId(chaincode),
        ...(executeTimeoutMs !== undefined && { executeTimeoutMs }),
        ...(this.#chaincodePort !== undefined && { listener: { listen: `127.0.0.1:${this.#chaincodePort}` }, isDevMode: true }),
      },
      source: () => this.gate.guard(orderer.source),
      orderers: () => [orderer.asOrderer],
      ...(isVolatile && { openState: () => memoryStateDatabase() }),
      ...(openState && { openState }),
      ...(membership && { membership }),
      ...(distributePrivateData && { distributePrivateData }),
      ...(onCommit && { onCommit }),
      clock,
      ...(logger && { logger }),
    }
  }
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(':') + 1))
}

function bytes(pem: string): Uint8Array {
  return new TextEncoder().encode(pem)
}
