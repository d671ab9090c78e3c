import { readFile } from 'node:fs/promises'
import type { ClientTls, Endpoint } from '@kumiko/fabric-grpc'
import { type LocalMsp, loadLocalMsp } from '@kumiko/fabric-msp'
import { codeOf, KumikoError } from '@kumiko/interface'
import { UsageError } from '../failure.ts'
import type { CoreConfig } from './core-config.ts'

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

/** A service as flags and `core.yaml` say how it is reached. @throws KumikoError `node/usage`, `node/unreadable-file`. */
export async function endpointOf(address: string, flags: ServiceFlags, core: CoreConfig): Promise<Endpoint> {
  const port = /^(?:\[[^\]]+\]|[^:]+):(\d{1,5})$/.exec(address)?.[1]
  if (port === undefined || Number(port) < 1 || Number(port) > 65_535)
    throw new UsageError(`bad address "${address}": want host:port, as orderer.example.com:7050`)
  const { tls = core['peer.tls.enabled'], cafile = core['peer.tls.rootcert.file'], ordererTLSHostnameOverride: override } = flags
  if (!tls) return { address }
  if (cafile === undefined) throw new UsageError('TLS needs the CA of the service: name its certificate with --cafile')
  return { address, tlsRoots: [await readPem(cafile)], ...(override === undefined ? {} : { serverNameOverride: override }) }
}

/** Who asks. @throws KumikoError `node/no-msp`, and as `loadLocalMsp`. */
export async function signerOf(core: CoreConfig): Promise<LocalMsp> {
  const path = core['peer.mspConfigPath']
  if (path === undefined) {
    const mend = 'name its folder with peer.mspConfigPath in core.yaml or CORE_PEER_MSPCONFIGPATH, and CORE_PEER_LOCALMSPID'
    throw new KumikoError('node/no-msp', `no identity to ask with: ${mend}`)
  }
  return await loadLocalMsp(path, { mspId: core['peer.localMspId'] })
}

/** Our certificate, where flags ask for it. @throws KumikoError `node/usage`, `node/unreadable-file`. */
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
  return { clientTls: { certificate: await readPem(certificate), privateKey: await readPem(privateKey) } }
}

/** A file. @throws KumikoError `node/unreadable-file`. */
export async function readPem(path: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(path))
  } catch (cause) {
    const why = codeOf(cause) ?? String(cause)
    throw new KumikoError('node/unreadable-file', `cannot read "${path}" (${why}): correct the path or make it readable`, {
      context: { path },
      cause,
    })
  }
}
