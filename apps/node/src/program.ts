import { namesHelp } from '@kumiko/terminal'
import { Command } from 'commander'
import { addBootnodeCommand } from './commands/bootnode.ts'
import { addChannelCommand } from './commands/channel.ts'
import { addDevCommand } from './commands/dev.ts'
import { addDiscoverCommand } from './commands/discover.ts'
import { addDnsCommand } from './commands/dns.ts'
import { addEnodeCommand } from './commands/enode.ts'
import { addEnrCommand } from './commands/enr.ts'
import { examples } from './commands/examples.ts'
import { addFabricCommand } from './commands/fabric.ts'
import { addKeyCommand } from './commands/key.ts'
import { addLedgerCommand } from './commands/ledger.ts'
import { addNodeCommand } from './commands/node.ts'
import { addP2pCommand } from './commands/p2p.ts'
import { addVersionCommand, versionText } from './commands/version.ts'

/**
 * The command line of `kumiko`. Throws CommanderError instead of ending the process.
 * @param args - That it is for: `--version` and `-V` are ours where there is no command, and a command's otherwise, as Fabric's lifecycle has them.
 */
export function createProgram(args: readonly string[] = process.argv.slice(2)): Command {
  const program = new Command('kumiko')
    .description('One node, many networks.')
    .option('--json', 'JSON, one value a line, for machines')
    .option('--verbose', 'show the stack of a failure')
    .configureHelp({ showGlobalOptions: true })
    .exitOverride()
    .showHelpAfterError(false)
  if (args.every((arg) => arg.startsWith('-'))) program.version(versionText(), '-V, --version', 'print the version')
  addDevCommand(program)
  addNodeCommand(program)
  addBootnodeCommand(program)
  addDiscoverCommand(program)
  addP2pCommand(program)
  addKeyCommand(program)
  addEnodeCommand(program)
  addEnrCommand(program)
  addDnsCommand(program)
  addChannelCommand(program)
  addLedgerCommand(program)
  addFabricCommand(program)
  addVersionCommand(program)
  namesHelp(program, 'kumiko')
  return examples(program, ['kumiko dev', 'kumiko node start --data-dir ./data', 'kumiko help node start'])
}
