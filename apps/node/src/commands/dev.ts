import { stopSignal } from '@kumiko/terminal'
import type { Command } from 'commander'
import { UsageError } from '../failure.ts'
import { positiveNumber, wholeNumber } from './arguments.ts'
import { outputOf } from './context.ts'
import { examples } from './examples.ts'

interface DevFlags {
  readonly nodes: number
  readonly once?: boolean
  readonly timeout: number
  readonly port: number
}

/** `kumiko dev`. */
export function addDevCommand(program: Command): void {
  const command = program
    .command('dev')
    .description(
      'Start a bootnode and real nodes on loopback sockets, which find each other, connect and exchange messages. Ctrl-C stops them.',
    )
    .option('--nodes <n>', 'how many beside the bootnode, 2–64', wholeNumber(2, 64), 8)
    .option('--once', 'end as soon as all are connected with all and messages went both ways; exit code 1 if they are not in time')
    .option('--timeout <seconds>', 'how long that may take', positiveNumber(3600), 30)
    .option('--port <port>', 'of the bootnode, the nodes take the next ones; 0: free ones', wholeNumber(0, 65_535), 0)
    .action(async ({ nodes, once = false, timeout, port }: DevFlags, self: Command) => {
      if (port + nodes > 65_535) throw new UsageError(`--port ${port} leaves no room for ${nodes} nodes: want at most ${65_535 - nodes}`)
      // A Host takes a moment to load, which other commands need not wait for.
      const { runDev } = await import('../dev/run.ts')
      const output = outputOf(self)
      using stop = stopSignal(output.closed)
      await runDev({ nodes, port, isOnce: once, timeoutMs: timeout * 1000 }, output, stop.signal)
    })
  examples(command, ['kumiko dev', 'kumiko dev --nodes 32', 'kumiko dev --once --timeout 10', 'kumiko dev --json | jq .event'])
}
