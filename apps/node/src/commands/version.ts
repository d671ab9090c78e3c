import { curve } from '@kumiko/identity'
import { VERSION } from '@kumiko/terminal'
import type { Command } from 'commander'
import { listing } from '../output.ts'
import { outputOf, report } from './context.ts'
import { examples } from './examples.ts'

/** `kumiko 0.1.0`. */
export function versionText(): string {
  return `kumiko ${VERSION}`
}

/** `kumiko version`. */
export function addVersionCommand(program: Command): void {
  const command = program
    .command('version')
    .description('Print the versions of kumiko and of what it runs on.')
    .action((_options: unknown, self: Command) => {
      const fields = { kumiko: VERSION, node: process.versions.node, platform: `${process.platform}-${process.arch}`, curve: curve.name }
      report(outputOf(self), fields, listing(Object.entries(fields)))
    })
  examples(command, ['kumiko version', 'kumiko version --json'])
}
