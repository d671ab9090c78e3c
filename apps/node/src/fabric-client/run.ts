import { stopSignal } from '@kumiko/terminal'
import type { Command } from 'commander'
import { outputOf } from '../commands/context.ts'
import { coreOf } from '../commands/fabric-context.ts'
import type { CoreConfig } from '../fabric/core-config.ts'
import type { Output } from '../output.ts'
import { FabricNetwork, type NetworkFlags } from './network.ts'

/** What a command that asks a network has. */
export interface NetworkWork {
  readonly network: FabricNetwork
  readonly core: CoreConfig
  readonly output: Output
}

/** Reaches the network that flags and `core.yaml` describe, for a command, and closes all after it. */
export async function withNetwork(self: Command, flags: NetworkFlags, work: (work: NetworkWork) => Promise<void>): Promise<void> {
  const output = outputOf(self)
  const core = await coreOf(self, output)
  using stop = stopSignal(output.closed)
  using network = await FabricNetwork.open(flags, core, stop.signal)
  await work({ network, core, output })
}
