import { KumikoError } from '@kumiko/interface'
import type { Command } from 'commander'
import type { CoreConfig } from '../fabric/core-config.ts'
import { UsageError } from '../failure.ts'
import { outputOf, report } from './context.ts'
import { examples } from './examples.ts'
import { coreOf } from './fabric-context.ts'

const PATH = 'kumiko fabric logging'

/** `kumiko fabric logging …`: as `peer logging` of Fabric 1.4, over the operations server. */
export function addFabricLoggingCommand(fabric: Command): void {
  const logging = fabric.command('logging').description("A running peer's log levels, over its operations server: as `peer logging`.")
  addGetLogSpec(logging)
  addSetLogSpec(logging)
  addGetLevel(logging)
  addSetLevel(logging)
  addRevertLevels(logging)
  examples(logging, [`${PATH} getlogspec`, `${PATH} setlogspec kumiko.fabric-peer=debug:info`])
}

function addGetLogSpec(parent: Command): void {
  const command = parent
    .command('getlogspec')
    .description('What is logged.')
    .action(async (_flags: unknown, self: Command) => {
      const output = outputOf(self)
      const spec = await getSpec(await coreOf(self, output))
      report(output, { spec }, [spec])
    })
  examples(command, [`${PATH} getlogspec`])
}

function addSetLogSpec(parent: Command): void {
  const command = parent
    .command('setlogspec')
    .description('Change what is logged, until the peer is started again.')
    .argument('<spec>', 'module,module=level:level')
    .action(async (spec: string, _flags: unknown, self: Command) => await change(self, () => spec))
  examples(command, [`${PATH} setlogspec kumiko.fabric-peer,kumiko.fabric-chaincode=debug:warn`])
}

function addGetLevel(parent: Command): void {
  const command = parent
    .command('getlevel')
    .description('From which level on a module is logged.')
    .argument('<module>', 'kumiko.fabric-peer')
    .action(async (module: string, _flags: unknown, self: Command) => {
      const [output, { levelOf, parseLogSpec }] = [outputOf(self), await import('@kumiko/operations')]
      const spec = parseLogSpec(await getSpec(await coreOf(self, output)))
      if ('fault' in spec) throw new KumikoError('node/refused', spec.detail)
      const level = levelOf(module, spec)
      report(output, { module, level }, [`${module}: ${level}`])
    })
  examples(command, [`${PATH} getlevel kumiko.fabric-peer`])
}

function addSetLevel(parent: Command): void {
  const command = parent
    .command('setlevel')
    .description('Change from which level on a module is logged.')
    .argument('<module>', 'kumiko.fabric-peer')
    .argument('<level>', 'debug, info, warn, error, and Fabric’s others')
    .action(async (module: string, level: string, _flags: unknown, self: Command) => {
      if (/[=:,]/.test(`${module}${level}`)) throw new UsageError('want a module and a level: kumiko.fabric-peer debug')
      // The last segment about a module counts.
      await change(self, (spec) => `${module}=${level}:${spec}`.replace(new RegExp(`:${escaped(module)}=[^:]*`, 'g'), ''))
    })
  examples(command, [`${PATH} setlevel kumiko.fabric-peer debug`])
}

function addRevertLevels(parent: Command): void {
  const command = parent
    .command('revertlevels')
    .description('Go back to FABRIC_LOGGING_SPEC as it is set here, or to info.')
    .action(async (_flags: unknown, self: Command) => await change(self, () => process.env.FABRIC_LOGGING_SPEC ?? 'info'))
  examples(command, [`${PATH} revertlevels`])
}

async function change(self: Command, next: (spec: string) => string): Promise<void> {
  const output = outputOf(self)
  const core = await coreOf(self, output)
  const { askOperations } = await import('../fabric/operations-client.ts')
  const body = JSON.stringify({ spec: next(await getSpec(core)) })
  const { status, text } = await askOperations(core, 'PUT', '/logspec', body)
  if (status !== 204) throw refused(status, text)
  const spec = await getSpec(core)
  report(output, { spec }, [spec])
}

async function getSpec(core: CoreConfig): Promise<string> {
  const { askOperations } = await import('../fabric/operations-client.ts')
  const { status, text } = await askOperations(core, 'GET', '/logspec')
  const spec = fieldOf(text, 'spec')
  if (status !== 200 || spec === undefined) throw refused(status, text)
  return spec
}

function refused(status: number, text: string): KumikoError {
  return new KumikoError('node/refused', `the operations server answers ${status}: ${fieldOf(text, 'error') ?? text.slice(0, 200)}`)
}

function fieldOf(text: string, name: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text)
    const field: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
    return typeof field === 'string' ? field : undefined
  } catch {
    return
  }
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
