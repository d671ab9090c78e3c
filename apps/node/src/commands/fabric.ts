import type { Command } from 'commander'
import { examples } from './examples.ts'
import { addFabricChaincodeCommand } from './fabric-chaincode.ts'
import { addFabricChannelCommand } from './fabric-channel.ts'
import { addFabricDevCommand } from './fabric-dev.ts'
import { addFabricDiscoverCommand } from './fabric-discover.ts'
import { addFabricLifecycleCommand } from './fabric-lifecycle.ts'
import { addFabricLoggingCommand } from './fabric-logging.ts'
import { addFabricNodeCommand } from './fabric-node.ts'
import { addFabricPeerCommand } from './fabric-peer.ts'
import { addFabricSnapshotCommand } from './fabric-snapshot.ts'
import { addVersionCommand } from './version.ts'

/** `kumiko fabric …`. */
export function addFabricCommand(program: Command): void {
  const fabric = program.command('fabric').description('Hyperledger Fabric: a network for development; a peer, and what it has.')
  addFabricDevCommand(fabric)
  addFabricPeerCommand(fabric)
  addFabricNodeCommand(fabric)
  addFabricChannelCommand(fabric)
  addFabricChaincodeCommand(fabric)
  addFabricLifecycleCommand(fabric)
  addFabricDiscoverCommand(fabric)
  addFabricLoggingCommand(fabric)
  addFabricSnapshotCommand(fabric)
  addVersionCommand(fabric)
  examples(fabric, ['kumiko fabric dev --contract assets=./assets.ts', 'kumiko fabric peer start', 'kumiko fabric node status'])
}
