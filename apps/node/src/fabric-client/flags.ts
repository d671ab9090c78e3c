import type { Command } from 'commander'
import { positiveNumber } from '../commands/arguments.ts'
import type { ServiceFlags } from '../fabric/service-endpoint.ts'
import { UsageError } from '../failure.ts'

/** How an orderer is reached. */
export interface OrdererFlags extends ServiceFlags {
  /** `host:port`. Default: those that the channel's configuration names. */
  readonly orderer?: string
}

/** Which peers are asked. */
export interface PeerFlags {
  /** `host:port` each. Default: `peer.address`. */
  readonly peerAddresses?: readonly string[]
  /** PEM files of their TLS CAs, in the same order. Default: `peer.tls.rootcert.file`. */
  readonly tlsRootCertFiles?: readonly string[]
}

/** Which peers and orderers are asked, where a connection profile says it. */
export interface ProfileFlags {
  /** Its file. */
  readonly connectionProfile?: string
  /** The name there of the one peer to ask. */
  readonly targetPeer?: string
}

/** For how long a command waits until its transaction is committed. */
export interface EventFlags {
  readonly waitForEvent?: boolean
  /** As Fabric's: `30s`. */
  readonly waitForEventTimeout: number
}

/** Adds Fabric's flags for orderers. */
export function ordererFlags(command: Command): Command {
  return command
    .option('-o, --orderer <host:port>', "the orderer; default: those of the channel's configuration")
    .option('--tls', 'with TLS; default: peer.tls.enabled')
    .option('--cafile <file>', "PEM of the CA that vouches for the orderer; default: what the channel's configuration has")
    .option('--ordererTLSHostnameOverride <name>', "the name in the orderer's certificate, in place of the host")
    .option('--clientauth', 'show a certificate of our own; default: where --certfile is given')
    .option('--certfile <file>', 'PEM of it; default: peer.tls.clientCert.file, or peer.tls.cert.file')
    .option('--keyfile <file>', 'PEM of its key; default: peer.tls.clientKey.file, or peer.tls.key.file')
    .option('--connTimeout <time>', 'to connect, as 3s; default: peer.deliveryclient.connTimeout', seconds)
}

/** Adds Fabric's flags for peers. */
export function peerFlags(command: Command): Command {
  return command
    .option('--peerAddresses <host:port>', 'a peer to ask; again for others; default: peer.address', collect)
    .option('--tlsRootCertFiles <file>', 'PEM of the CA of the peer of the same place; default: peer.tls.rootcert.file', collect)
}

/** Adds Fabric's flags for peers, which a connection profile may name too. */
export function targetFlags(command: Command): Command {
  return peerFlags(command)
    .option('--connectionProfile <file>', 'what names the peers and orderers instead, in YAML or JSON')
    .option('--targetPeer <name>', 'the one peer of the profile to ask')
}

/** Adds Fabric's flags for waiting. @param waits - Whether the command waits if nothing is said. */
export function eventFlags(command: Command, waits: boolean): Command {
  const [flag, what] = waits
    ? (['--no-waitForEvent', 'do not wait until all peers asked have committed the transaction'] as const)
    : (['--waitForEvent', 'wait until all peers asked have committed the transaction'] as const)
  return command.option(flag, what).option('--waitForEventTimeout <time>', 'for how long, as 30s', seconds, 30)
}

/** Adds what all have in common under the help. */
export function clientHelp(command: Command): Command {
  return command.addHelpText('after', CLIENT_HELP)
}

const CLIENT_HELP = `
core.yaml is read in FABRIC_CFG_PATH, here, or in /etc/hyperledger/fabric; CORE_* variables override it. Who asks say CORE_PEER_MSPCONFIGPATH and
CORE_PEER_LOCALMSPID; whom, CORE_PEER_ADDRESS and CORE_PEER_TLS_ROOTCERT_FILE.

Exit codes: 0 done; 1 failed, with a line that says why; 2 the command line is wrong; 3 stopped by ctrl-C.`

/** Reads `3s`, `500ms`, `1m`, or a bare number of seconds. */
function seconds(text: string): number {
  const [, number = '', unit = 's'] = /^(\d*\.?\d+)(ms|s|m)?$/.exec(text) ?? []
  const factor = unit === 'ms' ? 0.001 : unit === 'm' ? 60 : 1
  return positiveNumber(86_400)(String(Number(number === '' ? Number.NaN : number) * factor))
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value]
}

/** Text of a flag that must be JSON. @throws UsageError. */
export function jsonFlag(flag: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new UsageError(`${flag} is no JSON: ${text.slice(0, 80)}`)
  }
}
