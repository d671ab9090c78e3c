import type { FetchedBlock } from '@kumiko/fabric-deliver'
import { deliverClient, peerDeliverClient } from '@kumiko/fabric-deliver'
import type { Endpoint } from '@kumiko/fabric-grpc'
import type { Block } from '@kumiko/fabric-protocol'
import { KumikoError } from '@kumiko/interface'
import { StoppedError, UsageError } from '../failure.ts'
import { connectionProblem } from './connection-problem.ts'
import type { CoreConfig } from './core-config.ts'
import { clientTls, endpointOf, type ServiceFlags, signerOf } from './service-endpoint.ts'

/** Whom to ask for a block, as the flags of `peer channel fetch` say it. */
export interface FetchFlags extends ServiceFlags {
  readonly channelID: string
  /** `host:port` of an orderer. */
  readonly orderer?: string
  /** `host:port` of a peer. */
  readonly peerAddress?: string
}

/**
 * Fetches a block from an orderer's or a peer's deliver service, in the name of the identity that `core.yaml` names.
 * @throws KumikoError `node/usage` for flags that do not go together; `node/no-msp`, `node/unreadable-file`, `node/no-such-block`; of the
 * identity and the service, theirs.
 */
export async function fetchFromService(which: FetchedBlock, flags: FetchFlags, core: CoreConfig, signal: AbortSignal): Promise<Block> {
  const { orderer, peerAddress, channelID: channelId } = flags
  if ((orderer === undefined) === (peerAddress === undefined))
    throw new UsageError('want either --orderer or --peerAddress, to ask for the block')
  const endpoint = await endpointOf(orderer ?? peerAddress ?? '', flags, core)
  const options = {
    channelId,
    endpoints: [endpoint],
    signer: await signerOf(core),
    connectTimeoutMs: flags.connTimeout === undefined ? core['peer.deliveryclient.connTimeout'] : flags.connTimeout * 1000,
    ...(await clientTls(flags, core)),
  }
  const client = orderer === undefined ? peerDeliverClient(options) : deliverClient(options)
  const block = await client.fetch(which, { signal }).catch(async (error: unknown) => {
    throw signal.aborted ? new StoppedError('stopped before the block came; run it again') : await withMend(error, endpoint)
  })
  if (block !== undefined) return block
  throw new KumikoError(
    'node/no-such-block',
    `${orderer ?? peerAddress} has no block ${which} of channel "${channelId}" yet, or no such channel`,
  )
}

/** `newest`, `oldest`, `config` or a number. @throws KumikoError `node/usage`. */
export function fetchedBlock(text: string): FetchedBlock {
  if (text === 'newest' || text === 'oldest' || text === 'config') return text
  if (/^\d{1,19}$/.test(text)) return BigInt(text)
  throw new UsageError(`bad block "${text}": want newest, oldest, config or a number`)
}

/** What to look at, by what the service, the only one that was asked, came to. */
const MENDS: ReadonlyMap<string, string> = new Map([
  ['fabric-deliver/timeout', 'see that a deliver service is there, and whether it wants TLS (--tls)'],
  ['fabric-deliver/unreachable', 'see that it runs there, whether it wants TLS (--tls), and that --cafile is the CA of its certificate'],
  ['fabric-deliver/forbidden', 'give a member of the channel with peer.mspConfigPath and peer.localMspId'],
])

/** Says whom was asked, what came of it, and the mend. What is no fault of the service's is left as it is. */
async function withMend(error: unknown, endpoint: Endpoint): Promise<unknown> {
  const { address } = endpoint
  if (!(error instanceof KumikoError)) return error
  const faults = error.context?.faults
  const fault: unknown = Array.isArray(faults) ? faults[0]?.fault : undefined
  if (typeof fault !== 'string') return error
  const why = fault === 'fabric-deliver/timeout' ? error.message.replace(/: [^:]*:\d+$/, ': no answer in time') : error.message
  const problem = fault === 'fabric-deliver/unreachable' ? await connectionProblem(endpoint) : undefined
  const mend = problem === undefined ? MENDS.get(fault) : undefined
  const message = `${address}: ${problem ?? why.replace(/\.* Resolution note: *$/, '')}${mend === undefined ? '' : `; ${mend}`}`
  return new KumikoError(error.code, message, { context: error.context ?? {}, cause: error })
}
