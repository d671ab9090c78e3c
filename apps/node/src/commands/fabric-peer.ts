import { stopSignal } from '@kumiko/terminal'
import type { Command } from 'commander'
import { outputOf } from './context.ts'
import { examples } from './examples.ts'
import { coreOf, peerCommand } from './fabric-context.ts'

/** `kumiko fabric peer …`. */
export function addFabricPeerCommand(fabric: Command): void {
  const peer = fabric.command('peer').description('A Fabric peer.')
  addStart(peer)
  examples(peer, ['kumiko fabric peer start'])
}

interface StartFlags {
  readonly peerChaincodedev?: boolean
  readonly adminService?: boolean
  readonly eventHub?: boolean
  readonly rest?: boolean
  readonly restUser?: string
}

/** What `peer node start` is in Fabric. @param parent - That the command is below. */
function addStart(parent: Command): void {
  const start = peerCommand(parent.command('start'))
    .description('Run a peer until ctrl-C or SIGTERM: all of its channels, its gRPC services, chaincode, and operations.')
    .option('--peer-chaincodedev', 'chaincode is started by hand, as name:version: chaincode.mode dev')
    .option('--admin-service', 'serve protos.Admin, for tools of Fabric 1.4')
    .option('--event-hub', 'serve protos.Events, for clients of Fabric 1.0 to 1.3')
    .option('--rest', 'show /chain, /chain/blocks/N, /transactions/ID and /network/peers on the operations server, as Fabric 0.6 did')
    .option('--rest-user <msp folder>', 'with --rest: who calls chaincode by POST /chaincode; default: nobody can')
    .action(async ({ peerChaincodedev, adminService, eventHub, rest, restUser }: StartFlags, self: Command) => {
      const output = outputOf(self)
      const read = await coreOf(self, output)
      const core = peerChaincodedev === true ? { ...read, 'chaincode.mode': 'dev' as const } : read
      const { runPeer } = await import('../fabric/run-peer.ts')
      using stop = stopSignal(output.closed)
      const legacy = { admin: adminService === true, events: eventHub === true, rest: rest === true, restUser }
      await runPeer({ core, logSpec: process.env.FABRIC_LOGGING_SPEC, legacy, output, signal: stop.signal })
    })
  examples(start, [
    'kumiko fabric peer start --data-dir ./data',
    'FABRIC_CFG_PATH=./config kumiko fabric peer start --json',
    'CORE_PEER_MSPCONFIGPATH=./msp CORE_PEER_LOCALMSPID=Org1MSP kumiko fabric peer start --data-dir ./data',
  ])
}
