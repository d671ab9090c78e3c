import { virtualClock } from '@kumiko/testkit'
import { expect, test } from 'vitest'
import { ProgressLine } from './progress-line.ts'

async function shown(isTTY: boolean): Promise<string[]> {
  const written: string[] = []
  const clock = virtualClock()
  using line = new ProgressLine({ isTTY, columns: 10, write: (text: unknown) => written.push(String(text)) > 0 }, clock)
  for (let i = 0; i <= 101; i++) {
    line.show(() => `step ${i} of many`)
    await clock.advance(50)
  }
  line[Symbol.dispose]()
  return written
}

test('a terminal sees one line that changes, which is gone at the end', async () => {
  const written = await shown(true)
  expect(written.slice(0, 2)).toEqual(['\r\x1b[Kstep 0 of', '\r\x1b[Kstep 2 of'])
  expect([written.length, written.at(-1)]).toEqual([52, '\r\x1b[K'])
})

test('a pipe gets a line every 5 s', async () => {
  expect(await shown(false)).toEqual(['step 100 of many\n'])
})
