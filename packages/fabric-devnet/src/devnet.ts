import { join } from 'node:path'
import type { Contract, Gateway } from '@hyperledger/fabric-gateway'
import type { ContractClass } from '@kumiko/fabric-chaincode'
import { type Block, readBlock } from '@kumiko/fabric-protocol'
import { type Clock, isFault, KumikoError, systemClock } from '@kumiko/interface'
import { type BlockLog, blockLog } from './blocks/block-log.ts'
import { committed } from './blocks/committed.ts'
import { type GatewayAccess, gatewayAccess } from './client/gateway-access.ts'
import { connectGateway, type GatewayConnection } from './client/gateway-connection.ts'
import { channelGenesis } from './config/channel.ts'
import { organizationName } from './config/connection-profile.ts'
import type { Network } from './config/network.ts'
import { ORGANIZATIONS, writeNetworkFolder } from './config/network-folder.ts'
import { Contracts, packageIdOf } from './contracts.ts'
import { localMspOf } from './crypto/local-msp.ts'
import { type NetworkCrypto, networkCrypto } from './crypto/network-crypto.ts'
import type { Member, Organization } from './crypto/organization.ts'
import { seededBytes } from './crypto/seeded-bytes.ts'
import { type ChaincodeToDeploy, type DeploymentTarget, deploy } from './deployment/deploy.ts'
import { nextDefinition } from './deployment/next-definition.ts'
import { type Faults, networkFaults } from './faults/faults.ts'
import { type NetworkFolders, networkFolders } from './folders.ts'
import { copyChain, inherit, reached } from './nodes/inherit.ts'
import { NetworkNodes } from './nodes/network-nodes.ts'
import { Observation } from './observation.ts'
import { type ContractInput, type DevnetOptions, type NamedContract, namedContract, namedOrganizations } from './options.ts'

/** A network that runs. */
export interface Devnet extends AsyncDisposable {
  readonly channelId: string
  /** Where its files are: the folder that was given, or a temporary one. */
  readonly folder: string
  /** What clients must know of it: addresses and certificates, for files of their own. */
  readonly network: Network
  /** `peer0.org1.example.com`, in the order of organisations. */
  readonly peers: readonly string[]
  /** Where chaincode dials a peer; undefined where no contract does. @throws KumikoError `fabric-devnet/no-peer`. */
  chaincodeAddress(peer: string): string | undefined
  /** What its first peer that runs has committed. */
  readonly blocks: BlockLog
  readonly faults: Faults
  /**
   * What a client needs to use the gateway of a peer for a user.
   * @param organization - `Org1MSP` or `Org1`. Default: the first.
   * @param user - Default `User1`. One that is not there is enrolled.
   * @throws KumikoError `fabric-devnet/no-organization`.
   */
  gateway(organization?: string, user?: string): Promise<GatewayAccess>
  /**
   * A user's gateway by `@hyperledger/fabric-gateway`, which must be installed. The same one each time; it is closed with the network.
   * @throws KumikoError `fabric-devnet/no-client`, and as {@link gateway}.
   */
  connect(organization?: string, user?: string): Promise<Gateway>
  /** A contract by {@link connect}. @param name - As it was deployed. */
  contract(name: string, options?: { readonly org?: string; readonly user?: string }): Promise<Contract>
  /** Enrols a user, or gives one. @param attributes - What contracts may ask of their caller; only for one that is new. */
  enrol(organization: string, user: string, attributes?: Readonly<Record<string, string>>): Promise<Member>
  /** Adds a contract, or changes what was agreed on about one: then it is a new version, or others must endorse it. @throws As `devnet`. */
  deploy(name: string, input: ContractInput): Promise<void>
  /**
   * Runs other code for a contract from the next transaction on: nothing that was agreed on changes.
   * @throws KumikoError `fabric-devnet/no-contract`, `fabric-chaincode/bad-contract`.
   */
  reload(name: string, contract: ContractClass | readonly ContractClass[]): void
  /**
   * Another network with the same keys, blocks, private data and contracts, in memory: what becomes of one is nothing to the other. Waits until all
   * peers that run have the same blocks; send nothing meanwhile.
   */
  fork(): Promise<Devnet>
  /** Writes what clients need as files: see `writeNetworkFolder`. */
  write(folder: string): Promise<void>
  /** Ends all. Nothing is left of a network without a folder. */
  stop(): Promise<void>
}

/**
 * Starts a Fabric network in this process: an orderer, peers that endorse and commit as Fabric's do, and contracts that run beside them.
 * Clients reach it over gRPC with TLS, unmodified.
 * @throws KumikoError `fabric-devnet/refused` with a peer's words, `fabric-msp/bad-policy-text`, `fabric-msp/bad-profile`,
 * `fabric-grpc/listen-failed`: nothing is left of it then.
 */
export async function devnet(options: DevnetOptions = {}): Promise<Devnet> {
  const { clock = systemClock, folder, seed } = options
  const folders = await networkFolders(folder)
  try {
    const organizations = namedOrganizations(options)
    const crypto = await networkCrypto({ organizations, seed, folder: folder && join(folders.root, ORGANIZATIONS), now: clock.now() })
    const observation = new Observation(options.onFailure)
    const contracts = new Contracts((name) => observation.observer(name))
    for (const [name, input] of Object.entries(options.contracts ?? {})) contracts.add(namedContract(name, input))
    return await new DevNetwork({ options, clock, folders, crypto, contracts, observation }).start()
  } catch (error) {
    await folders.dispose()
    throw error
  }
}

interface Parts {
  readonly options: DevnetOptions
  readonly clock: Clock
  readonly folders: NetworkFolders
  readonly crypto: NetworkCrypto
  readonly contracts: Contracts
  readonly observation: Observation
}

class DevNetwork implements Devnet {
  readonly channelId: string
  readonly faults: Faults
  readonly blocks: BlockLog
  readonly #parts: Parts
  readonly #nodes: NetworkNodes
  readonly #stopping = new AbortController()
  /** By organisation and user: as many as were asked for. */
  readonly #connections = new Map<string, Promise<GatewayConnection>>()
  #stopped: Promise<void> | undefined

  constructor(parts: Parts) {
    const { options, clock, crypto, folders, contracts } = parts
    this.channelId = options.channelId ?? 'mychannel'
    this.#parts = parts
    this.#nodes = new NetworkNodes({
      channelId: this.channelId,
      crypto,
      folders,
      isVolatile: options.folder === undefined,
      ports: options.ports,
      hasDialing: contracts.all.some(({ runs }) => 'dialsIn' in runs),
      connectors: (mspId) => contracts.connectors(mspId),
      packageId: (chaincode) => contracts.packageId(chaincode),
      openState: options.openState,
      executeTimeoutMs: options.executeTimeoutMs,
      clock,
      logger: options.logger,
    })
    this.blocks = blockLog(() => this.#nodes.first.channel)
    const { orderer, peers } = this.#nodes
    const organization = this.#organization(undefined)
    const signer = localMspOf(organization, organization.admin)
    this.faults = networkFaults({ orderer, peers, peer: (name) => this.#nodes.peer(name), signer, clock })
  }

  /** @throws What fails: nothing is left then. */
  async start(): Promise<this> {
    return await this.#begin(async () => {
      await this.#nodes.start()
      await this.#nodes.join(() => this.#genesis())
      await this.#deploy(this.#parts.contracts.all)
      if (this.#parts.options.folder !== undefined) await this.write(this.folder)
    })
  }

  /** Goes on from the blocks of another network, which is at rest. @throws As {@link start}. */
  async startFrom(other: DevNetwork): Promise<this> {
    const [mine, theirs] = [this.#nodes, other.#nodes]
    const { channel } = theirs.first
    return await this.#begin(async () => {
      await copyChain(other.#parts.folders.orderer, this.#parts.folders.orderer, this.channelId)
      await mine.start()
      for (const { gate } of mine.peers) gate.hold()
      await mine.join(() => this.#genesis())
      const inheriting = mine.peers.map((peer) => {
        const before = theirs.peer(peer.name)
        return inherit(peer, before.isAlive ? before.channel : undefined, channel.height)
      })
      await Promise.all(inheriting)
    })
  }

  get folder(): string {
    return this.#parts.folders.root
  }

  get network(): Network {
    const { peerOrganizations, ordererOrganization } = this.#parts.crypto
    const { orderer, peers } = this.#nodes
    return {
      channelId: this.channelId,
      organizations: peerOrganizations.map((organization) => ({
        organization,
        peers: peers.filter((peer) => peer.organization === organization).map(({ name, address }) => ({ name, address })),
      })),
      ordererOrganization,
      orderers: [{ name: orderer.name, address: orderer.address }],
    }
  }

  get peers(): readonly string[] {
    return this.#nodes.peers.map(({ name }) => name)
  }

  chaincodeAddress(peer: string): string | undefined {
    return this.#nodes.peer(peer).chaincodeAddress
  }

  async gateway(organization?: string, user = 'User1'): Promise<GatewayAccess> {
    const found = this.#organization(organization)
    const ofOrganization = this.#nodes.peers.filter((peer) => peer.organization === found)
    const peer = ofOrganization.find(({ isAlive }) => isAlive) ?? ofOrganization[0]
    if (peer === undefined) throw new KumikoError('fabric-devnet/no-peer', `${found.mspId} has no peer`)
    return gatewayAccess(peer.address, found, await found.enrol(user))
  }

  async connect(organization?: string, user = 'User1'): Promise<Gateway> {
    const access = await this.gateway(organization, user)
    const key = JSON.stringify([access.identity.mspId, user, access.endpoint])
    const connection = this.#connections.get(key) ?? connectGateway(access)
    this.#connections.set(key, connection)
    return (await connection).gateway
  }

  async contract(name: string, { org, user }: { readonly org?: string; readonly user?: string } = {}): Promise<Contract> {
    const gateway = await this.connect(org, user)
    return gateway.getNetwork(this.channelId).getContract(name)
  }

  async enrol(organization: string, user: string, attributes?: Readonly<Record<string, string>>): Promise<Member> {
    return await this.#organization(organization).enrol(user, attributes)
  }

  async deploy(name: string, input: ContractInput): Promise<void> {
    const contract = namedContract(name, input)
    await this.#deploy([contract])
    this.#parts.contracts.add(contract)
  }

  reload(name: string, contract: ContractClass | readonly ContractClass[]): void {
    this.#parts.contracts.reload(name, { contracts: typeof contract === 'function' ? [contract] : contract })
  }

  async fork(): Promise<Devnet> {
    const { options, clock, crypto, contracts } = this.#parts
    const { orderer, peers } = this.#nodes
    const alive = peers.filter(({ isAlive }) => isAlive)
    await Promise.all(alive.map(({ channel }) => reached(channel, orderer.channel.height)))
    const { folder: _, ports: __, ...rest } = options
    const folders = await networkFolders(undefined)
    const observation = new Observation(options.onFailure)
    const copies = contracts.copy((name) => observation.observer(name))
    return await new DevNetwork({ options: rest, clock, folders, crypto, contracts: copies, observation }).startFrom(this)
  }

  async write(folder: string): Promise<void> {
    await writeNetworkFolder(folder, this.network)
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#end()
    return this.#stopped
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #begin(begin: () => Promise<void>): Promise<this> {
    try {
      await begin()
      return this
    } catch (error) {
      await this.stop().catch(() => {})
      throw error
    }
  }

  async #end(): Promise<void> {
    this.#stopping.abort(new KumikoError('fabric-devnet/stopped', 'the network was stopped'))
    for (const connection of this.#connections.values()) (await connection.catch(() => undefined))?.close()
    try {
      await this.#nodes.stop()
    } finally {
      await this.#parts.observation.stop()
      await this.#parts.folders.dispose()
    }
  }

  #genesis(): Block {
    const { options, clock, crypto } = this.#parts
    const { seed, batch = options.clock === undefined ? {} : { transactionsMax: 1 } } = options
    const { orderer, peers } = this.#nodes
    const anchors = peers.toReversed().map((peer): [string, string] => [peer.organization.mspId, peer.address])
    const genesis = channelGenesis({
      channelId: this.channelId,
      ...crypto,
      ordererAddresses: [orderer.address],
      // The first peer of each organisation.
      anchorPeers: new Map(anchors),
      batch,
      now: clock.now(),
      ...(seed !== undefined && { randomBytes: seededBytes(seed, this.channelId) }),
    })
    const block = readBlock(genesis)
    if (isFault(block)) throw new Error(`a block of our own does not read: ${block.detail ?? block.fault}`)
    return block
  }

  async #deploy(contracts: readonly NamedContract[]): Promise<void> {
    const { channel } = this.#nodes.first
    const wanted = contracts.map(async (contract) => ({
      contract,
      definition: await nextDefinition(contract.name, contract.terms, channel),
    }))
    const chaincodes: ChaincodeToDeploy[] = []
    for (const { contract, definition } of await Promise.all(wanted))
      if (definition !== undefined) chaincodes.push({ definition, packageId: packageIdOf(contract) })
    if (chaincodes.length > 0) await deploy(chaincodes, this.#target(), this.#stopping.signal)
  }

  #target(): DeploymentTarget {
    const { clock, crypto } = this.#parts
    const { orderer, peers } = this.#nodes
    const alive = peers.filter(({ isAlive }) => isAlive)
    return {
      channelId: this.channelId,
      organizations: crypto.peerOrganizations.map((organization) => ({
        mspId: organization.mspId,
        admin: localMspOf(organization, organization.admin),
        peers: alive.filter((peer) => peer.organization === organization),
      })),
      broadcast: async (envelope) => {
        const { status, info } = await orderer.broadcast(envelope)
        if (status !== 200) throw new KumikoError('fabric-devnet/refused', `the orderer answers ${status}: ${info}`)
      },
      committed: async (txId, signal) => {
        const codes = await Promise.all(alive.map(({ channel }) => committed(channel, txId, signal)))
        return codes[0] ?? 0
      },
      now: () => clock.now(),
    }
  }

  /** @param name - Its MSP's, or what comes before `MSP`. Default: the first. */
  #organization(name: string | undefined): Organization {
    const { peerOrganizations } = this.#parts.crypto
    const found = peerOrganizations.find(({ mspId }) => name === undefined || mspId === name || organizationName(mspId) === name)
    if (found !== undefined) return found
    const names = peerOrganizations.map(({ mspId }) => mspId).join(', ')
    throw new KumikoError('fabric-devnet/no-organization', `there is no organisation ${name}: there are ${names || 'none'}`)
  }
}
