import type { ChaincodeConnector } from '@kumiko/fabric-chaincode'
import { type FileSystem, nodeFileSystem, type OpenStateDatabase } from '@kumiko/fabric-ledger'
import { readConfigTransaction } from '@kumiko/fabric-msp'
import type { Block } from '@kumiko/fabric-protocol'
import { type Clock, isFault, KumikoError, type Millis } from '@kumiko/interface'
import type { ComponentLogger } from '@libp2p/interface'
import type { NetworkCrypto } from '../crypto/network-crypto.ts'
import type { Organization } from '../crypto/organization.ts'
import type { NetworkFolders } from '../folders.ts'
import type { PortOptions } from '../options.ts'
import { DevOrderer } from './dev-orderer.ts'
import { DevPeer } from './dev-peer.ts'
import { InStep } from './in-step.ts'
import { sendPrivateData } from './send-private-data.ts'

/** What the nodes of a network are made of. */
export interface NetworkNodesOptions {
  readonly channelId: string
  readonly crypto: NetworkCrypto
  readonly folders: NetworkFolders
  /** Whether it is all gone when the process ends. */
  readonly isVolatile: boolean
  readonly ports: PortOptions | undefined
  /** Whether chaincode dials in. */
  readonly hasDialing: boolean
  /** The way of a peer to have contracts running. */
  readonly connectors: (mspId: string) => readonly ChaincodeConnector[]
  readonly packageId: (chaincode: string) => string | undefined
  /** By the peer's name. */
  readonly openState: ((peer: string, channelId: string) => OpenStateDatabase) | undefined
  readonly executeTimeoutMs: Millis | undefined
  readonly clock: Clock
  readonly logger: ComponentLogger | undefined
}

/** The orderer and the peers of a network: what one would have gossip for, they tell each other directly. */
export class NetworkNodes {
  readonly orderer: DevOrderer
  /** In the order of organisations. */
  readonly peers: readonly DevPeer[]
  readonly #options: NetworkNodesOptions
  readonly #step = new InStep(() => this.peers)

  constructor(options: NetworkNodesOptions) {
    this.#options = options
    this.orderer = this.#makeOrderer()
    const members = options.crypto.peerOrganizations.flatMap((organization) =>
      [...organization.nodes.values()].map((member) => ({ organization, member })),
    )
    this.peers = members.map(({ organization, member }, at) => this.#makePeer(organization, member.name, at))
  }

  /** The first peer that runs. @throws KumikoError `fabric-devnet/peer-stopped`. */
  get first(): DevPeer {
    const peer = this.peers.find(({ isAlive }) => isAlive)
    if (peer !== undefined) return peer
    throw new KumikoError('fabric-devnet/peer-stopped', 'no peer of the network runs')
  }

  /** @param name - `peer0.org1.example.com`. @throws KumikoError `fabric-devnet/no-peer`. */
  peer(name: string): DevPeer {
    const peer = this.peers.find((each) => each.name === name)
    if (peer !== undefined) return peer
    const names = this.peers.map((each) => each.name).join(', ')
    throw new KumikoError('fabric-devnet/no-peer', `there is no peer ${name}: there are ${names}`, { context: { peer: name } })
  }

  /** Has all of them listening. Ports and addresses are known then. The first peer comes first: its ledgers are locked, and so the network's folder. */
  async start(): Promise<void> {
    const [first, ...others] = this.peers
    await first?.start()
    await Promise.all([this.orderer.start(), ...others.map((peer) => peer.start())])
  }

  /**
   * Begins the channel, where it is not.
   * @param makeGenesis - Called where there is no block 0 yet.
   * @throws KumikoError `fabric-devnet/bad-folder` where it began with other organisations: none of ours could endorse for those.
   */
  async join(makeGenesis: () => Block): Promise<void> {
    await this.orderer.join(makeGenesis)
    const genesis = await this.orderer.channel.block(0n)
    if (genesis === undefined) throw new Error('a channel that an orderer joined has block 0')
    this.#checkOrganizations(genesis)
    await Promise.all(this.peers.map((peer) => peer.join(genesis)))
  }

  /** Ends all that runs. @throws The first failure, when all is ended. */
  async stop(): Promise<void> {
    const ended = await Promise.allSettled(this.peers.map((peer) => peer.stop()))
    ended.push(...(await Promise.allSettled([this.orderer.stop()])))
    for (const each of ended) if (each.status === 'rejected') throw each.reason
  }

  #checkOrganizations(genesis: Block): void {
    const { channelId, crypto, folders } = this.#options
    const transaction = readConfigTransaction(genesis.data[0] ?? new Uint8Array())
    if (isFault(transaction)) throw new Error(transaction.detail ?? transaction.fault)
    const kept = [...(transaction.envelope.config?.channelGroup?.groups.get('Application')?.groups.keys() ?? [])].sort().join(', ')
    const ours = crypto.peerOrganizations.map(({ mspId }) => mspId)
    if (kept === ours.sort().join(', ')) return
    const message = `${channelId} in ${folders.root} was made for ${kept}, not ${ours.join(', ')}: start it for those, or take another folder`
    throw new KumikoError('fabric-devnet/bad-folder', message)
  }

  #makeOrderer(): DevOrderer {
    const { channelId, crypto, folders, isVolatile, ports, clock, logger } = this.#options
    const organization = crypto.ordererOrganization
    const member = organization.nodes.get('orderer')
    if (member === undefined)
      throw new KumikoError('fabric-devnet/bad-folder', `there is no orderer in ${folders.root}: begin with an empty folder`)
    return new DevOrderer({
      organization,
      member,
      channelId,
      folder: folders.orderer,
      isVolatile,
      fileSystem: isVolatile ? unsynced : nodeFileSystem,
      port: ports?.orderer ?? 0,
      clock,
      logger,
    })
  }

  #makePeer(organization: Organization, name: string, at: number): DevPeer {
    const { channelId, folders, isVolatile, ports, hasDialing, connectors, packageId, openState, executeTimeoutMs, clock, logger } =
      this.#options
    const member = [...organization.nodes.values()].find((each) => each.name === name)
    if (member === undefined) throw new KumikoError('fabric-devnet/no-peer', `there is no peer ${name}`)
    const others = (): DevPeer[] => this.peers.filter((each) => each.name !== name && each.isAlive)
    return new DevPeer({
      organization,
      member,
      channelId,
      folder: folders.peer(name),
      isVolatile,
      fileSystem: isVolatile ? unsynced : nodeFileSystem,
      orderer: this.orderer,
      port: ports?.peers[at] ?? 0,
      chaincodePort: hasDialing ? (ports?.chaincode?.[at] ?? 0) : undefined,
      connectors: connectors(organization.mspId),
      packageId,
      openState: openState && ((channel) => openState(name, channel)),
      executeTimeoutMs,
      membership: { peers: (channel) => selvesOf(others(), channel) },
      distributePrivateData: (data) => sendPrivateData(others(), data),
      onCommit: (_, { number }) => this.#step.taken(number),
      clock,
      logger,
    })
  }
}

async function selvesOf(peers: readonly DevPeer[], channelId: string) {
  const selves = await Promise.all(peers.map((peer) => peer.peer.self(channelId)))
  return selves.filter((self) => self !== undefined)
}

/** The system's files, whose writes need not outlive a loss of power. */
const unsynced: FileSystem = {
  ...nodeFileSystem,
  syncFolder: async () => {},
  open: async (path) => {
    const file = await nodeFileSystem.open(path)
    return { ...file, sync: async () => {} }
  },
}
