import { writeSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { RunningList } from './running-list.ts'
import { stoppedPlace } from './stopped-place.ts'
import type { WatchThreadData } from './watchdog.ts'

/** What runs in a watchdog's thread. */
const { memory, hangMs } = workerData as WatchThreadData
const running = new RunningList(memory)

/** Ticks are counted, not time: a process that was put to sleep has slept with all its threads. */
const TICKS = 5
const TICK_MS = hangMs / TICKS
let unanswered = 0
/** Whether it was told that the process hangs, and not yet that it does no more. */
let hasTold = false

parentPort?.on('message', () => {
  unanswered = 0
  if (hasTold) tell('the process goes on')
  hasTold = false
})

setInterval(() => {
  parentPort?.postMessage('there?')
  if (++unanswered === TICKS + 1) void look()
}, TICK_MS)

async function look(): Promise<void> {
  const place = await stoppedPlace()
  // A debugger holds it: it may do so for as long as it likes, and is asked about again.
  if (place === 'debugger') unanswered = 0
  // One that has just come back answers at once.
  await setTimeout(TICK_MS)
  if (unanswered <= TICKS) return
  const [first, ...others] = running.texts
  // What holds it is no contract: whoever wrote that knows.
  if (first === undefined) return
  hasTold = true
  const what = others.length === 0 ? first : `one of ${[first, ...others].join('; ')}`
  tell(
    `${what} has not left the processor for ${hangMs / 1000} s${place === undefined ? '' : `, at ${place}`}: nothing else runs meanwhile. ` +
      `If it is a loop that does not end, end the process with ctrl-\\ or kill -9 ${process.pid}, and mend the loop`,
  )
}

/** At once: what is written to a stream of a thread goes by the thread that hangs. */
function tell(line: string): void {
  writeSync(2, `kumiko: ${line}\n`)
}
