import type { ClientTls, Endpoint } from '@kumiko/fabric-grpc'
import type { LocalMsp } from '@kumiko/fabric-msp'
import { KumikoError } from '@kumiko/interface'
import { UsageError } from '../failure.ts'
import type { CoreConfig } from './core-config.ts'
import { localMspOf } from './local-msp.ts'
import { readCertificates, readKeyPair } from './tls-files.ts'

/** How an orderer or a peer is reached, as Fabric's flags say it. */
export interface ServiceFlags {
  readonly tls?: boolean
  readonly cafile?: string
  readonly clientauth?: boolean
  readonly certfile?: string
  readonly keyfile?: string
  readonly ordererTLSHostnameOverride?: string
  /** Seconds. Default: `peer.deliveryclient.connTimeout`. */
  readonly connTimeout?: number
}

/** A service as flags and `core.yaml` say how it is reached. @throws KumikoError `node/usage`, `node/unreadable-file`, `node/bad-tls`. */
export async function endpointOf(address: string, flags: ServiceFlags, core: CoreConfig): Promise<Endpoint> {
  const port = /^(?:\[[^\]]+\]|[^:]+):(\d{1,5})$/.exec(address)?.[1]
  if (port === undefined || Number(port) < 1 || Number(port) > 65_535)
    throw new UsageError(`bad address "${address}": want host:port, as orderer.example.com:7050`)
  const { tls = core['peer.tls.enabled'], ordererTLSHostnameOverride: override } = flags
  if (!tls) return { address }
  const cafile = flags.cafile ?? core['peer.tls.rootcert.file']
  if (cafile === undefined) throw new UsageError('TLS needs the CA of the service: name its certificate with --cafile')
  const root = await readCertificates({ name: flags.cafile === undefined ? 'peer.tls.rootcert.file' : "the CA's", path: cafile })
  return { address, tlsRoots: [root], ...(override === undefined ? {} : { serverNameOverride: override }) }
}

/** Who asks. @throws KumikoError `node/no-msp`, and as `localMspOf`. */
export async function signerOf(core: CoreConfig): Promise<LocalMsp> {
  const msp = await localMspOf(core)
  if (msp !== undefined) return msp
  const mend = 'name its folder with peer.mspConfigPath in core.yaml or CORE_PEER_MSPCONFIGPATH, and CORE_PEER_LOCALMSPID'
  throw new KumikoError('node/no-msp', `no identity to ask with: ${mend}`)
}

/** Our certificate, where flags ask for it. @throws KumikoError `node/usage`, `node/unreadable-file`, `node/bad-tls`. */
export async function clientTls(
  { clientauth = false, certfile, keyfile }: ServiceFlags,
  core: CoreConfig,
): Promise<{ readonly clientTls?: ClientTls }> {
  if (!clientauth && certfile === undefined && keyfile === undefined) return {}
  const [certificate, privateKey] = [
    certfile ?? core['peer.tls.clientCert.file'] ?? core['peer.tls.cert.file'],
    keyfile ?? core['peer.tls.clientKey.file'] ?? core['peer.tls.key.file'],
  ]
  if (certificate === undefined || privateKey === undefined)
    throw new UsageError(
      'a certificate of ours is to be shown: name it and its key by flags, or with CORE_PEER_TLS_CLIENTCERT_FILE and CORE_PEER_TLS_CLIENTKEY_FILE',
    )
  const pair = await readKeyPair({ name: 'our certificate', path: certificate }, { name: 'our key', path: privateKey })
  return { clientTls: pair }
}
