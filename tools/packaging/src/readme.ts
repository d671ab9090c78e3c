/** A block of code that a README shows and that is run. */
export interface Example {
  /** From 1: the line after the fence. */
  readonly line: number
  readonly code: string
}

/**
 * All examples of a README, in order.
 * @param opening - What stands after the fence, exactly: `ts excerpt` and the like are not run, `ts vitest` is a test file.
 * @throws Error where a block is not closed.
 */
export function examplesOf(markdown: string, opening = 'ts'): Example[] {
  const lines = markdown.split(/\r?\n/)
  const examples: Example[] = []
  for (let at = 0; at < lines.length; at++) {
    if (lines[at]?.trimEnd() !== `\`\`\`${opening}`) continue
    const end = lines.findIndex((text, index) => index > at && text.startsWith('```'))
    if (end < 0) throw new Error(`the block that begins on line ${at + 1} is not closed`)
    examples.push({ line: at + 2, code: lines.slice(at + 1, end).join('\n') })
    at = end
  }
  return examples
}
