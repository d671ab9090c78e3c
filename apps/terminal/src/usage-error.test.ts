import { Command } from 'commander'
import { expect, test } from 'vitest'
import { namesHelp } from './usage-error.ts'

test('an error of a command is one line that names its help', async () => {
  const errors: string[] = []
  const program = new Command('kumiko')
  program.command('node').command('start').option('--port <port>')
  namesHelp(program, 'kumiko')
  const visit = (command: Command): void => {
    command.exitOverride().configureOutput({ writeErr: (text) => void errors.push(text) })
    command.commands.forEach(visit)
  }
  visit(program)
  await expect(program.parseAsync(['node', 'start', '--prot'], { from: 'user' })).rejects.toThrow('unknown option')
  expect(errors).toEqual(["kumiko: unknown option '--prot' (Did you mean --port?); see kumiko node start --help\n"])
})
