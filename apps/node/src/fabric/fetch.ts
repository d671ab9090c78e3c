import { readFile } from 'node:fs/promises'
import type { Endpoint, FetchedBlock } from '@kumiko/fabric-deliver'
import { deliverClient, peerDeliverClient } from '@kumiko/fabric-deliver'
import { loadLocalMsp } from '@kumiko/fabric-msp'
import type { Block } from '@kumiko/fabric-protocol'
import { KumikoError } from '@kumiko/interface'
import { StoppedError, UsageError } from '../failure.ts'
import type { CoreConfig } from './core-config.ts'

/** Whom to ask for a block, as the flags of `peer channel fetch` say it. */
export interface FetchFlags {
  readonly channelID: string
  /** `host:port` of an orderer. */
  readonly orderer?: string
  /** `host:port` of a peer. */
  readonly peerAddress?: string
  readonly tls?: boolean
  readonly cafile?: string
  readonly clientauth?: boolean
  readonly certfile?: string
  readonly keyfile?: string
  readonly ordererTLSHostnameOverride?: string
  /** Seconds. Default: `peer.deliveryclient.connTimeout`. */
  readonly connTimeout?: number
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
  const options = {
    channelId,
    endpoints: [await endpointOf(orderer ?? peerAddress ?? '', flags, core)],
    signer: await signerOf(core),
    connectTimeoutMs: flags.connTimeout === undefined ? core['peer.deliveryclient.connTimeout'] : flags.connTimeout * 1000,
    ...(await clientTls(flags, core)),
  }
  const client = orderer === undefined ? peerDeliverClient(options) : deliverClient(options)
  const block = await client.fetch(which, { signal }).catch((error: unknown) => {
    throw signal.aborted ? new StoppedError('stopped before the block came; run it again') : withMend(error, orderer ?? peerAddress ?? '')
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
function withMend(error: unknown, address: string): unknown {
  if (!(error instanceof KumikoError)) return error
  const faults = error.context?.faults
  const fault: unknown = Array.isArray(faults) ? faults[0]?.fault : undefined
  if (typeof fault !== 'string') return error
  const why = fault === 'fabric-deliver/timeout' ? error.message.replace(/: [^:]*:\d+$/, ': no answer in time') : error.message
  const mend = MENDS.get(fault)
  const message = `${address}: ${why.replace(/\.* Resolution note: *$/, '')}${mend === undefined ? '' : `; ${mend}`}`
  return new KumikoError(error.code, message, { context: error.context ?? {}, cause: error })
}

async function endpointOf(address: string, flags: FetchFlags, core: CoreConfig): Promise<Endpoint> {
  const port = /^(?:\[[^\]]+\]|[^:]+):(\d{1,5})$/.exec(address)?.[1]
  if (port === undefined || Number(port) < 1 || Number(port) > 65_535)
    throw new UsageError(`bad address "${address}": want host:port, as orderer.example.com:7050`)
  const { tls = core['peer.tls.enabled'], cafile = core['peer.tls.rootcert.file'], ordererTLSHostnameOverride: override } = flags
  if (!tls) return { address }
  if (cafile === undefined) throw new UsageError('TLS needs the CA of the service: name its certificate with --cafile')
  return { address, tlsRoots: [await readPem(cafile)], ...(override === undefined ? {} : { serverNameOverride: override }) }
}

async function signerOf(core: CoreConfig) {
  const path = core['peer.mspConfigPath']
  if (path === undefined) {
    const mend = 'name its folder with peer.mspConfigPath in core.yaml or CORE_PEER_MSPCONFIGPATH, and CORE_PEER_LOCALMSPID'
    throw new KumikoError('node/no-msp', `no identity to ask with: ${mend}`)
  }
  return await loadLocalMsp(path, { mspId: core['peer.localMspId'] })
}

async function clientTls({ clientauth = false, certfile, keyfile }: FetchFlags, core: CoreConfig) {
  if (!clientauth && certfile === undefined && keyfile === undefined) return {}
  const [certificate, privateKey] = [
    certfile ?? core['peer.tls.clientCert.file'] ?? core['peer.tls.cert.file'],
    keyfile ?? core['peer.tls.clientKey.file'] ?? core['peer.tls.key.file'],
  ]
  if (certificate === undefined || privateKey === undefined) throw new UsageError('--clientauth needs --certfile and --keyfile')
  return { clientTls: { certificate: await readPem(certificate), privateKey: await readPem(privateKey) } }
}

async function readPem(path: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(path))
  } catch (cause) {
    const why = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause)
    throw new KumikoError('node/unreadable-file', `cannot read "${path}" (${why}): correct the path or make it readable`, {
      context: { path },
      cause,
    })
  }
}
