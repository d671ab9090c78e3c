import { stopSignal } from '@kumiko/terminal'
import type { Command } from 'commander'
import { addConfigFlags, configSources } from '../config/flags.ts'
import { loadConfig } from '../config/load.ts'
import { outputOf } from './context.ts'
import { examples } from './examples.ts'

/** Keys of the configuration that a bootnode heeds. */
const KEYS: readonly string[] = ['dataDir', 'discAddr', 'discoveryV4', 'discoveryV5', 'network', 'bootnodes', 'netRestrict', 'nat']

const HELPS: Readonly<Record<string, string>> = {
  discAddr: 'listen here, by UDP; default: 0.0.0.0:30303',
  network: 'whose bootnodes to begin with: none, mainnet, sepolia, hoodi, holesky; default: none',
  bootnodes: 'where discovery begins; default: nowhere, it waits to be found',
}

/** `kumiko bootnode`. */
export function addBootnodeCommand(program: Command): void {
  const command = addConfigFlags(program.command('bootnode'), KEYS, HELPS)
    .description('Run a node that others find each other through: discv4 and discv5 on one UDP port, no connections. Ctrl-C stops it.')
    .action(async (_options: unknown, self: Command) => {
      const { config } = await loadConfig(configSources(self, process.env))
      const { runBootnode } = await import('../run-node.ts')
      const output = outputOf(self)
      using stop = stopSignal(output.closed)
      await runBootnode(config, output, stop.signal)
    })
  examples(command, [
    'kumiko bootnode --data-dir ./bootnode',
    'kumiko bootnode --data-dir ./bootnode --disc-addr 0.0.0.0:30301 --nat extip:203.0.113.7',
    'kumiko bootnode --disc-addr 127.0.0.1:0 --discovery-v5 false --json',
  ])
}
