import { createInterface } from 'node:readline'
import { PassThrough, Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { writeAbove } from './prompt.ts'

const COLUMNS = 20

/** What a terminal shows, as far as readline steers it. */
class Screen extends Writable {
  readonly isTTY = true
  readonly columns = COLUMNS
  readonly lines: string[] = ['']
  #row = 0
  #column = 0

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what a terminal is steered by.
    for (const part of chunk.toString().match(/\u001b\[\d*[A-Z]|\r|\n|[^\u001b]/gsu) ?? []) this.#take(part)
    done()
  }

  #take(part: string): void {
    const count = Number(/\d+/.exec(part)?.[0] ?? 1)
    if (part === '\r') this.#column = 0
    else if (part === '\n') this.#move(this.#row + 1, 0)
    else if (part.endsWith('A') && part.length > 1) this.#row = Math.max(0, this.#row - count)
    else if (part.endsWith('B') && part.length > 1) this.#row += count
    else if (part.endsWith('C') && part.length > 1) this.#column += count
    else if (part.endsWith('D') && part.length > 1) this.#column -= count
    else if (part.endsWith('G') && part.length > 1) this.#column = count - 1
    else if (part.endsWith('J') && part.length > 1) {
      this.lines[this.#row] = (this.lines[this.#row] ?? '').slice(0, this.#column)
      this.lines.splice(this.#row + 1)
    } else if (part.length === 1) this.#put(part)
    else throw new Error(`unknown: ${JSON.stringify(part)}`)
  }

  #put(character: string): void {
    if (this.#column >= COLUMNS) this.#move(this.#row + 1, 0)
    const line = (this.lines[this.#row] ?? '').padEnd(this.#column)
    this.lines[this.#row] = line.slice(0, this.#column) + character + line.slice(this.#column + 1)
    this.#column++
  }

  #move(row: number, column: number): void {
    while (this.lines.length <= row) this.lines.push('')
    this.#row = row
    this.#column = column
  }

  /** Without what is blank at the end. */
  shown(): string[] {
    return this.lines.join('\n').trimEnd().split('\n')
  }
}

test('lines that come while a long one is typed are all shown, and tear nothing', async () => {
  const screen = new Screen()
  const input = new PassThrough()
  const terminal = createInterface({ input, output: screen, terminal: true, prompt: '> ' })
  terminal.prompt()
  writeAbove(terminal, screen, 'ann: one')
  // More than two rows, and the cursor in the last of them, then in the first.
  const typed = 'abcdefghij'.repeat(5)
  input.write(typed)
  await expect.poll(() => terminal.line).toBe(typed)
  const rows = ['> abcdefghijabcdefgh', 'ijabcdefghijabcdefgh', 'ijabcdefghij']
  writeAbove(terminal, screen, 'ann: two')
  writeAbove(terminal, screen, 'ann: three')
  expect(screen.shown()).toEqual(['ann: one', 'ann: two', 'ann: three', ...rows])
  terminal.write(null, { ctrl: true, name: 'a' })
  writeAbove(terminal, screen, 'ann: four')
  expect(screen.shown()).toEqual(['ann: one', 'ann: two', 'ann: three', 'ann: four', ...rows])
  terminal.close()
})
