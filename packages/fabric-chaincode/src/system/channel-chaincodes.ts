import type { Ledger, QueryExecutor } from '@kumiko/fabric-ledger'
import {
  approvalRecord,
  type ChaincodeDefinition,
  committedDefinition,
  definedChaincodes,
  fieldKey,
  isRecordThere,
  packageRecord,
  recordMismatches,
  StateData,
} from '@kumiko/fabric-lifecycle'
import type { ChannelBundle } from '@kumiko/fabric-msp'
import { sha256, toHex } from '@kumiko/fabric-protocol'
import { KumikoError } from '@kumiko/interface'
import type { InstalledPackages } from '../packages/installed-package.ts'
import { opaqueState, publicReader } from './lifecycle-states.ts'

/** A channel of the peer, as far as its chaincodes are asked for. */
export interface LifecycleChannel {
  /** As it is configured now. */
  readonly bundle: ChannelBundle
  readonly ledger: Pick<Ledger, 'query'> & { readonly state: Pick<Ledger['state'], 'height'> }
}

/** A chaincode of a channel, as this peer has it. */
export interface ChannelChaincode {
  readonly name: string
  readonly definition: ChaincodeDefinition
  /** Whether the peer's organisation approved just this definition. */
  readonly isApproved: boolean
  /** What runs it here; undefined where nothing does. */
  readonly packageId: string | undefined
}

/** What tells which chaincodes a channel has. */
export interface ChannelChaincodesOptions {
  /** Of the peer's organisation. */
  readonly mspId: string
  /** Undefined where the peer is not on it. */
  readonly channel: (channelId: string) => LifecycleChannel | undefined
  /** The channels that the peer is on. */
  readonly channels: () => readonly string[]
  readonly installed: InstalledPackages
  /**
   * Runs a chaincode without a package: an id under which it registers, or undefined for those that packages run. Asked before the packages:
   * for contracts in this process.
   */
  readonly ownPackageId?: (channelId: string, chaincode: string) => string | undefined
  /** Whether users start chaincode that is not installed by hand, as `name:version`: Fabric's `chaincode.mode: dev`. Default false. */
  readonly isDevMode?: boolean
}

/** A chaincode as the state has it. */
interface StoredChaincode extends Pick<ChannelChaincode, 'name' | 'definition' | 'isApproved'> {
  /** The hash, in hex, of how the package's id is written in the organisation's approval; undefined where there is none. */
  readonly packageHash: string | undefined
}

/** What is known of a channel at a height. */
interface Known {
  readonly height: bigint
  /** By name; undefined for what is not defined. Bounded by {@link NAMES_MAX}. */
  readonly chaincodes: Map<string, Promise<StoredChaincode | undefined>>
  /** Of all that are defined; undefined before somebody asked. */
  names: Promise<readonly string[]> | undefined
}

/** Names of a channel that are kept at a time. */
const NAMES_MAX = 10_000

/**
 * The chaincodes of a peer's channels: what is committed, whether the peer's organisation approved it, and what runs it. It reads the state as
 * the last block left it, once a block, and records nothing in anybody's transaction. What is installed is looked at each time.
 * @see Fabric `core/chaincode/lifecycle/cache.go`
 */
export class ChannelChaincodes {
  readonly #options: ChannelChaincodesOptions
  /** By channel: as many as the peer is on, for only those are kept. */
  readonly #known = new Map<string, Known>()
  /** By package id: how approvals hash it. Bounded by what was installed since the peer started. */
  readonly #hashes = new Map<string, string>()

  constructor(options: ChannelChaincodesOptions) {
    this.#options = options
  }

  /**
   * A chaincode of a channel. What runs it is of this moment, all else is of the last block.
   * @returns Undefined where the channel does not define it, or the peer is not on the channel.
   * @throws KumikoError `fabric-lifecycle/refused` where the state does not read as it should; what the state throws.
   */
  async chaincode(channelId: string, name: string): Promise<ChannelChaincode | undefined> {
    const channel = this.#options.channel(channelId)
    if (channel === undefined) return
    const stored = await this.#stored(channelId, channel, name)
    if (stored === undefined) return
    const { definition, isApproved } = stored
    return { name, definition, isApproved, packageId: this.#packageOf(channelId, stored) }
  }

  /** All chaincodes of a channel, in the order of their names; none where the peer is not on the channel. @throws As {@link chaincode}. */
  async all(channelId: string): Promise<readonly ChannelChaincode[]> {
    const channel = this.#options.channel(channelId)
    if (channel === undefined) return []
    const names = await this.#names(channelId, channel)
    const all = await Promise.all(names.map((name) => this.chaincode(channelId, name)))
    return all.filter((chaincode) => chaincode !== undefined)
  }

  /** Where a package is used: chaincodes by channel, of those that have one. @throws As {@link chaincode}. */
  async references(packageId: string): Promise<ReadonlyMap<string, readonly ChannelChaincode[]>> {
    const references = new Map<string, readonly ChannelChaincode[]>()
    for (const channelId of this.#options.channels()) {
      const used = (await this.all(channelId)).filter((chaincode) => chaincode.packageId === packageId)
      if (used.length > 0) references.set(channelId, used)
    }
    return references
  }

  #knownOf(channelId: string, { ledger }: LifecycleChannel): Known {
    const known = this.#known.get(channelId)
    if (known?.height === ledger.state.height) return known
    const anew: Known = { height: ledger.state.height, chaincodes: new Map(), names: undefined }
    this.#known.set(channelId, anew)
    return anew
  }

  #names(channelId: string, channel: LifecycleChannel): Promise<readonly string[]> {
    const known = this.#knownOf(channelId, channel)
    if (known.names !== undefined) return known.names
    const reading = withQuery(channel, definedChaincodesOf)
    known.names = reading
    // As of a chaincode: whoever comes later tries again.
    reading.catch(() => {
      known.names = undefined
    })
    return reading
  }

  #stored(channelId: string, channel: LifecycleChannel, name: string): Promise<StoredChaincode | undefined> {
    const { chaincodes } = this.#knownOf(channelId, channel)
    const known = chaincodes.get(name)
    if (known !== undefined) return known
    if (chaincodes.size >= NAMES_MAX) chaincodes.clear()
    const reading = withQuery(channel, (query) => readChaincode(query, name, this.#options.mspId))
    chaincodes.set(name, reading)
    // Whoever waits for it is told; whoever comes later tries again.
    reading.catch(() => chaincodes.delete(name))
    return reading
  }

  #packageOf(channelId: string, { name, definition, isApproved, packageHash }: StoredChaincode): string | undefined {
    const { ownPackageId, installed, isDevMode = false } = this.#options
    const own = ownPackageId?.(channelId, name)
    if (own !== undefined) return own
    const found = packageHash && installed.list().find(({ packageId }) => this.#hashOf(packageId) === packageHash)
    if (found) return found.packageId
    return isDevMode && isApproved ? `${name}:${definition.endorsementInfo.version}` : undefined
  }

  #hashOf(packageId: string): string {
    const hash = this.#hashes.get(packageId) ?? toHex(sha256(StateData.encode({ string: packageId })))
    this.#hashes.set(packageId, hash)
    return hash
  }
}

/** @see Fabric `core/chaincode/lifecycle/cache.go` update */
async function readChaincode(query: QueryExecutor, name: string, mspId: string): Promise<StoredChaincode | undefined> {
  const publicState = publicReader(query)
  const definition = await committedDefinition(name, publicState).catch(unlessNotDefined)
  if (definition === undefined) return
  const mine = opaqueState(query, mspId)
  const mismatches = await recordMismatches(mine, approvalRecord(name, definition.sequence, definition))
  const isApproved = mismatches.length === 0
  const source = packageRecord(name, definition.sequence, '')
  const hasSource = isApproved && (await isRecordThere(mine, source))
  const hash = hasSource ? await mine.getStateHash(fieldKey(source.table, source.name, 'PackageID')) : undefined
  return { name, definition, isApproved, packageHash: hash && toHex(hash) }
}

function unlessNotDefined(error: unknown): undefined {
  if (error instanceof KumikoError && error.code === 'fabric-lifecycle/not-defined') return
  throw error
}

function definedChaincodesOf(query: QueryExecutor): Promise<readonly string[]> {
  return definedChaincodes(publicReader(query))
}

async function withQuery<T>({ ledger }: LifecycleChannel, run: (query: QueryExecutor) => Promise<T>): Promise<T> {
  const query = await ledger.query()
  try {
    return await run(query)
  } finally {
    await query.close()
  }
}
