import type { Command } from 'commander'

/**
 * An error tells of the help of the command that it is about: the root's does not list a command's flags. Of all commands that are there now.
 *
 * @param path - What is typed for `command`: `kumiko node`.
 */
export function namesHelp(command: Command, path: string): void {
  const [program] = path.split(' ', 1)
  command.configureOutput({ outputError: (text, write) => write(`${program}: ${usageLine(text)}; see ${path} --help\n`) })
  for (const inner of command.commands) namesHelp(inner, `${path} ${inner.name()}`)
}

/** Commander's `error: …` with its suggestion on a line of its own. */
function usageLine(text: string): string {
  return text
    .trim()
    .replace(/^error: /, '')
    .replaceAll(/\s*\n\s*/g, ' ')
    .replace(/\.$/, '')
}
