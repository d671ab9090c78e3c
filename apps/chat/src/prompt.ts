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
  // The prompt is drawn anew where it begins: so many rows above the cursor.
  output.write(`${line}\n${'\n'.repeat(rows)}`)
  terminal.prompt(true)
}
