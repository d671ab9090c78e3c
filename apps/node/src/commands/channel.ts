import type { Command } from 'commander'
import { outputOf } from './context.ts'
import { examples } from './examples.ts'

/** `kumiko channel …`. */
export function addChannelCommand(program: Command): void {
  const channel = program.command('channel').description("Fabric's channels: look into blocks and configurations, fetch blocks, join.")
  addInspect(channel)
  examples(channel, ['kumiko channel inspect genesis.block'])
}

function addInspect(channel: Command): void {
  const inspect = channel
    .command('inspect')
    .description('Show a block, envelope, configuration or update of one. --json: as `configtxlator proto_decode` shows it.')
    .argument('<file>', 'a file, or - for stdin')
    .option('--type <name>', 'what it is, as common.Block; default: found out')
    .action(async (path: string, { type }: { type?: string }, self: Command) => {
      const [{ readBinary }, { recognize, RECOGNIZED, toJson }, { describe }] = await Promise.all([
        import('../fabric/binary-file.ts'),
        import('../fabric/recognized.ts'),
        import('../fabric/description.ts'),
      ])
      const output = outputOf(self)
      const bytes = await readBinary(path)
      const recognized = type === undefined ? recognize(bytes) : RECOGNIZED.find((known) => known === type)
      const json = toJson(type ?? recognized ?? '', bytes)
      if (output.isJson) output.json(json)
      else
        for (const line of recognized === undefined ? JSON.stringify(json, null, 2).split('\n') : describe(recognized, bytes))
          output.line(line)
    })
  examples(inspect, [
    'kumiko channel inspect genesis.block',
    "kumiko channel inspect config_block.pb --json | jq '.data.data[0].payload.data.config'",
    'kumiko channel inspect - --type common.ConfigUpdate < update.pb',
  ])
}
