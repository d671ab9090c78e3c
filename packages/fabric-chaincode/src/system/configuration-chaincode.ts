import type { Ledger } from '@kumiko/fabric-ledger'
import { type AccessControl, type ChannelBundle, channelBundle, channelMsp, readConfigTransaction } from '@kumiko/fabric-msp'
import {
  type Block,
  ChannelQueryResponse,
  Config,
  firstChannelHeader,
  JoinBySnapshotStatus,
  type Response,
  readBlock,
  readLastConfigIndex,
  writeBlock,
} from '@kumiko/fabric-protocol'
import { type Fault, isFault, KumikoError } from '@kumiko/interface'
import type { SystemChaincode, TransactionContext } from '../contract.ts'
import { askedFor, denial, failure, messageOf, success, textOf } from './answer.ts'

/** What `cscc` needs of the peer. */
export interface PeerConfiguration {
  /** Undefined where the peer is not on it. */
  channel(channelId: string): { readonly bundle: ChannelBundle; readonly ledger: Pick<Ledger, 'info' | 'blocks'> } | undefined
  /** The channels that the peer is on. */
  channels(): readonly string[]
  /**
   * Joins a channel.
   * @param genesis - A configuration block that was checked as far as it tells of itself.
   * @throws KumikoError, whose message clients are told; `…/already-joined` in Fabric's words.
   */
  join(genesis: Block): Promise<unknown>
  /** Joins a channel by a snapshot in a folder of this machine. Returns when it has begun. @throws As {@link join}. */
  joinBySnapshot(folder: string): Promise<unknown>
  /** The folder of the snapshot that the peer is joining a channel by; undefined where there is none. */
  joiningSnapshot(): string | undefined
}

/** What `cscc` is made of. */
export interface ConfigurationChaincodeOptions {
  readonly peer: PeerConfiguration
  readonly access: AccessControl
}

interface Invocation extends ConfigurationChaincodeOptions {
  readonly context: TransactionContext
  readonly function: string
  /** Empty where there is none. */
  readonly argument: Uint8Array
}

const NAME = 'cscc'

/**
 * `cscc`: which channels the peer is on, and how they are configured.
 * @see Fabric `core/scc/cscc/configure.go`
 */
export function configurationChaincode(options: ConfigurationChaincodeOptions): SystemChaincode {
  return {
    name: NAME,
    invoke: async (context, { args }) => {
      const [first, argument] = args
      if (first === undefined) return failure('Incorrect number of arguments, 0')
      const name = textOf(first)
      if (argument === undefined && !WITHOUT_ARGUMENT.has(name)) return failure(`Incorrect number of arguments, ${args.length}`)
      const asked = askedFor(context)
      if (asked !== NAME) return failure(`Rejecting invoke of CSCC from another chaincode, original invocation for '${asked}'`)
      const run = FUNCTIONS.get(name)
      if (run === undefined) return failure(`Requested function ${name} not found.`)
      return await run({ ...options, context, function: name, argument: argument ?? new Uint8Array() })
    },
  }
}

const WITHOUT_ARGUMENT: ReadonlySet<string> = new Set(['GetChannels', 'JoinBySnapshotStatus'])

const FUNCTIONS: ReadonlyMap<string, (invocation: Invocation) => Promise<Response>> = new Map([
  ['JoinChain', joinChain],
  ['JoinChainBySnapshot', joinBySnapshot],
  ['JoinBySnapshotStatus', joinStatus],
  ['GetConfigBlock', configBlock],
  ['GetChannelConfig', channelConfig],
  ['GetChannels', channels],
])

async function joinChain(invocation: Invocation): Promise<Response> {
  const genesis = readBlock(invocation.argument)
  if (isFault(genesis)) return failure(`Failed to reconstruct the genesis block, ${genesis.detail ?? genesis.fault}`)
  const header = firstChannelHeader(genesis)
  if (isFault(header)) {
    return failure(`"JoinChain" request failed to extract channel id from the block due to [${header.detail ?? header.fault}]`)
  }
  const { channelId } = header
  const fault = genesisFault(genesis)
  if (fault !== undefined) {
    const why = fault.detail ?? fault.fault
    return failure(`"JoinChain" for channelID = ${channelId} failed because of validation of configuration block, because of ${why}`)
  }
  const denied = refusal(invocation, '')
  if (denied !== undefined) return failure(`access denied for [JoinChain][${channelId}]: [${denied}]`)
  const exists = `cannot create ledger from genesis block: ledger [${channelId}] already exists with state [ACTIVE]`
  return await joined(() => invocation.peer.join(genesis), exists)
}

async function joinBySnapshot(invocation: Invocation): Promise<Response> {
  const folder = textOf(invocation.argument)
  if (folder === '') return failure('Cannot join the channel, no snapshot directory provided')
  const denied = refusal(invocation, '')
  if (denied !== undefined) return failure(`access denied for [JoinChainBySnapshot]: [${denied}]`)
  return await joined(
    () => invocation.peer.joinBySnapshot(folder),
    `cannot create ledger from snapshot ${folder}: the ledger already exists`,
  )
}

async function joinStatus(invocation: Invocation): Promise<Response> {
  const denied = refusal(invocation, '')
  if (denied !== undefined) return failure(`access denied for [JoinBySnapshotStatus]: ${denied}`)
  const folder = invocation.peer.joiningSnapshot()
  return success(JoinBySnapshotStatus.encode({ inProgress: folder !== undefined, bootstrappingSnapshotDir: folder ?? '' }))
}

async function configBlock(invocation: Invocation): Promise<Response> {
  const channelId = textOf(invocation.argument)
  const denied = refusal(invocation, channelId)
  if (denied !== undefined) return failure(`access denied for [GetConfigBlock][${channelId}]: ${denied}`)
  const channel = invocation.peer.channel(channelId)
  if (channel === undefined) return failure(`Unknown channel ID, ${channelId}`)
  const { info, blocks } = channel.ledger
  const last = await blocks.block(info.height - 1n)
  const index = last && readLastConfigIndex(last)
  if (index === undefined || isFault(index)) return failure(`failed to retrieve metadata: ${index?.detail ?? 'no last block'}`)
  const block = await blocks.block(index)
  return block === undefined ? failure(`no such block number [${index}] in index`) : success(writeBlock(block))
}

async function channelConfig(invocation: Invocation): Promise<Response> {
  const channelId = textOf(invocation.argument)
  if (channelId === '') return failure('empty channel name provided')
  const denied = refusal(invocation, channelId)
  if (denied !== undefined) return failure(`access denied for [GetChannelConfig][${channelId}]: ${denied}`)
  const channel = invocation.peer.channel(channelId)
  return channel === undefined ? failure(`unknown channel ID, ${channelId}`) : success(Config.encode(channel.bundle.config))
}

async function channels(invocation: Invocation): Promise<Response> {
  const denied = refusal(invocation, '')
  if (denied !== undefined) return failure(`access denied for [GetChannels]: ${denied}`)
  return success(ChannelQueryResponse.encode({ channels: invocation.peer.channels().map((channelId) => ({ channelId })) }))
}

function genesisFault(genesis: Block): Fault | undefined {
  const [item = new Uint8Array()] = genesis.data
  const transaction = readConfigTransaction(item)
  if (isFault(transaction)) return { ...transaction, detail: `Bad configuration envelope: ${transaction.detail ?? transaction.fault}` }
  const { channelId, envelope } = transaction
  if (envelope.config === undefined) return invalid('Nil config envelope Config')
  if (envelope.config.channelGroup === undefined) return invalid('Nil channel group')
  if (!envelope.config.channelGroup.groups.has('Application')) {
    return invalid('Invalid configuration block, missing Application configuration group')
  }
  const bundle = channelBundle(channelId, envelope.config, channelMsp)
  if (!isFault(bundle)) return
  const why = bundle.detail ?? bundle.fault
  return bundle.fault === 'fabric-msp/capability-unsupported' ? invalid(`Failed capabilities check: [${why}]`) : bundle
}

function invalid(detail: string): Fault {
  return { fault: 'fabric-chaincode/bad-genesis', detail }
}

/** @param exists - What to say where the peer is on the channel already. */
async function joined(join: () => Promise<unknown>, exists: string): Promise<Response> {
  try {
    await join()
    return success()
  } catch (error) {
    if (error instanceof KumikoError) return failure(error.code.endsWith('/already-joined') ? exists : messageOf(error))
    throw error
  }
}

function refusal({ access, function: name, context }: Invocation, channelId: string): string | undefined {
  return denial(access, `${NAME}/${name}`, channelId, context)
}
