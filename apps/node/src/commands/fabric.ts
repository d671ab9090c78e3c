import type { Command } from 'commander'
import { examples } from './examples.ts'
import { addFabricNodeCommand } from './fabric-node.ts'
import { addFabricPeerCommand } from './fabric-peer.ts'
import { addVersionCommand } from './version.ts'

/** `kumiko fabric …`. */
export function addFabricCommand(program: Command): void {
  const fabric = program.command('fabric').description('Hyperledger Fabric: run a peer, and look after what it has.')
  addFabricPeerCommand(fabric)
  addFabricNodeCommand(fabric)
  addVersionCommand(fabric)
  examples(fabric, ['kumiko fabric peer start', 'kumiko fabric node status'])
}
