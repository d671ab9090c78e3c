import { join } from 'node:path'

/** What Fabric's `peer` command must know to act for an organisation's admin; paths are absolute. */
export interface PeerEnvironmentOptions {
  readonly mspId: string
  /** `localhost:7051`. */
  readonly peerAddress: string
  /** `…/peers/peer0.org1.example.com/tls/ca.crt`. */
  readonly tlsRootCert: string
  /** `…/users/Admin@org1.example.com`, which has `msp` and `tls`. */
  readonly admin: string
  /** Where `core.yaml` is. */
  readonly configFolder: string
  readonly ordererAddress: string
  /** PEM file of the orderers' TLS CA: for `--cafile`. */
  readonly ordererTlsCa: string
}

/** Environment variables for Fabric's `peer` command, and two that scripts use: `ORDERER_ADDRESS` and `ORDERER_CA`. */
export function peerEnvironment(options: PeerEnvironmentOptions): Readonly<Record<string, string>> {
  return {
    FABRIC_CFG_PATH: options.configFolder,
    CORE_PEER_TLS_ENABLED: 'true',
    CORE_PEER_LOCALMSPID: options.mspId,
    CORE_PEER_TLS_ROOTCERT_FILE: options.tlsRootCert,
    CORE_PEER_TLS_CLIENTCERT_FILE: join(options.admin, 'tls', 'client.crt'),
    CORE_PEER_TLS_CLIENTKEY_FILE: join(options.admin, 'tls', 'client.key'),
    CORE_PEER_MSPCONFIGPATH: join(options.admin, 'msp'),
    CORE_PEER_ADDRESS: options.peerAddress,
    ORDERER_ADDRESS: options.ordererAddress,
    ORDERER_CA: options.ordererTlsCa,
  }
}

/** A file that a shell can source: `export NAME='value'`. */
export function environmentFile(variables: Readonly<Record<string, string>>): string {
  return Object.entries(variables)
    .map(([name, value]) => `export ${name}='${value.replaceAll("'", `'\\''`)}'\n`)
    .join('')
}

/** What Fabric's `peer` command asks of a `core.yaml` when it only acts as a client. */
export const CLIENT_CORE_YAML = `peer:
  id: cli
  networkId: dev
  address: 127.0.0.1:7051
  localMspId: Org1MSP
  mspConfigPath: msp
  client:
    connTimeout: 3s
  tls:
    enabled: true
    clientAuthRequired: false
  BCCSP:
    Default: SW
    SW:
      Hash: SHA2
      Security: 256
  fileSystemPath: production
vm:
  endpoint: ''
chaincode:
  executetimeout: 30s
  installTimeout: 300s
  mode: net
  logging:
    level: info
    shim: warning
    format: '%{time} %{level} %{message}'
ledger:
  state:
    stateDatabase: goleveldb
`
