import { clearScreenDown, cursorTo, type Interface, moveCursor } from 'node:readline'

/**
 * Writes a line above what is being typed, however many rows of the screen that takes.
 *
 * @param output - Where the terminal shows what is typed.
 */
export function writeAbove(terminal: Interface, output: NodeJS.WritableStream, line: string): void {
  const { rows } = terminal.getCursorPos()
  moveCursor(output, 0, -rows)
  cursorTo(output, 0)
  clearScreenDown(output)
  output.write(`${line}\n`)
  // How far above the cursor readline thinks that the prompt begins: it does not count the rows of what is pasted.
  Object.assign(terminal, { prevRows: 0 })
  terminal.prompt(true)
}
