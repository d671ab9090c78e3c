import { type Command, Option } from 'commander'
import { CONFIG_KEYS } from './keys.ts'
import type { ConfigSources } from './load.ts'

/**
 * Gives a command `--config`, and a flag for each key of the configuration that it heeds.
 *
 * @param paths - Default: all.
 * @param helps - By path, where a key means something of its own to the command.
 */
export function addConfigFlags(command: Command, paths?: readonly string[], helps: Readonly<Record<string, string>> = {}): Command {
  command.option('-c, --config <file>', 'YAML or JSON; see apps/node/README.md for its keys')
  for (const { path, flag, help: usual, kind } of CONFIG_KEYS) {
    if (paths?.includes(path) === false) continue
    const help = helps[path] ?? usual
    const option = new Option(flag, kind === 'list' ? `${help} (repeat, or separate with commas)` : help)
    if (kind === 'list') option.argParser((text, before: string | undefined) => (before === undefined ? text : `${before},${text}`))
    command.addOption(option)
  }
  return command
}

/** What was given on the command line, and the environment. */
export function configSources(command: Command, env: ConfigSources['env']): ConfigSources {
  const flags = new Map<string, string>()
  for (const { path, flag } of CONFIG_KEYS) {
    const option = new Option(flag)
    const name = option.attributeName()
    if (command.getOptionValueSource(name) !== 'cli') continue
    flags.set(path, option.negate ? 'true' : String(command.getOptionValue(name)))
  }
  return { flags, env, file: command.getOptionValue('config') as string | undefined }
}
