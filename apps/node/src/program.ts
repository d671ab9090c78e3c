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
  helpIsNamed(program, 'kumiko')
  return examples(program, ['kumiko dev', 'kumiko node start --data-dir ./data', 'kumiko help node start'])
}

/** An error tells of the help of the command that it is about: the root's does not list a command's flags. */
function helpIsNamed(command: Command, path: string): void {
  command.configureOutput({ outputError: (text, write) => write(`kumiko: ${usageLine(text)}; see ${path} --help\n`) })
  for (const inner of command.commands) helpIsNamed(inner, `${path} ${inner.name()}`)
}

/** Commander's `error: …` with its suggestion on a line of its own. */
function usageLine(text: string): string {
  return text
    .trim()
    .replace(/^error: /, '')
    .replaceAll(/\s*\n\s*/g, ' ')
    .replace(/\.$/, '')
}
