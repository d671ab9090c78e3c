import { stopSignal } from '@kumiko/terminal'
import type { Command } from 'commander'
import { addConfigFlags, configSources } from '../config/flags.ts'
import { CONFIG_KEYS } from '../config/keys.ts'
import { type LoadedConfig, loadConfig } from '../config/load.ts'
import type { ListenAddr, NodeConfig } from '../config/schema.ts'
import { listing } from '../output.ts'
import { outputOf } from './context.ts'
import { examples } from './examples.ts'

/** `kumiko node …`. */
export function addNodeCommand(program: Command): void {
  const node = program.command('node').description('Run a node, or show what it would run with.')
  addStart(node)
  addConfig(node)
  examples(node, ['kumiko node start --data-dir ./data', 'kumiko node config --config kumiko.yaml'])
}

function addStart(node: Command): void {
  const command = addConfigFlags(node.command('start'))
    .description('Run a node until ctrl-C. Flags go before KUMIKO_* variables, those before the config file.')
    .action(async (_options: unknown, self: Command) => {
      const { config } = await loadConfig(configSources(self, process.env))
      const { runNode } = await import('../run-node.ts')
      const output = outputOf(self)
      using stop = stopSignal(output.closed)
      await runNode(config, output, stop.signal)
    })
  examples(command, [
    'kumiko node start --data-dir ./data',
    'kumiko node start --listen-addr 127.0.0.1:0 --static enode://…@127.0.0.1:30303',
    'KUMIKO_MAX_PEERS=10 kumiko node start --config kumiko.yaml --json',
  ])
}

function addConfig(node: Command): void {
  const command = addConfigFlags(node.command('config'))
    .description('Show the configuration that `node start` would use, and where each value comes from.')
    .action(async (_options: unknown, self: Command) => {
      const loaded = await loadConfig(configSources(self, process.env))
      const output = outputOf(self)
      if (output.isJson) output.json(Object.fromEntries(entriesOf(loaded).map(({ path, value, origin }) => [path, { value, origin }])))
      else for (const line of linesOf(loaded)) output.line(line)
    })
  examples(command, ['kumiko node config', 'kumiko node config --config kumiko.yaml --max-peers 10', 'kumiko node config --json'])
}

interface Entry {
  readonly path: string
  readonly value: unknown
  readonly origin: string
}

function entriesOf({ config, origins }: LoadedConfig): Entry[] {
  return CONFIG_KEYS.map(({ path }) => ({ path, value: writtenValue(config, path), origin: origins.get(path) ?? 'default' }))
}

/** As it would be written in a file. */
function writtenValue(config: NodeConfig, path: string): unknown {
  if (path === 'listenAddr' || path === 'discAddr') return writtenAddr(config[path])
  if (path === 'network') return config.network ?? 'none'
  return path.split('.').reduce<unknown>((value, key) => (value as Readonly<Record<string, unknown>>)[key], config)
}

function writtenAddr({ ip, port }: ListenAddr): string {
  return `${ip.includes(':') ? `[${ip}]` : ip}:${port}`
}

/** YAML, with the origins as comments: it can be saved and used as a config file. */
function linesOf(loaded: LoadedConfig): string[] {
  let parent: string | undefined
  const pairs = entriesOf(loaded).flatMap(({ path, value, origin }): [string, string][] => {
    const [outer = '', inner] = path.split('.')
    const head: [string, string][] = inner !== undefined && outer !== parent ? [[`${outer}:`, '']] : []
    parent = inner === undefined ? undefined : outer
    return [...head, [`${inner === undefined ? outer : `  ${inner}`}: ${JSON.stringify(value)}`, `# ${origin}`]]
  })
  return listing(pairs)
}
