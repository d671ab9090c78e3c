import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { Watchdog } from '../src/watchdog/watchdog.ts'

/** A process whose main thread is busy for a while, or held by a debugger: for `watchdog.test.ts`. */
const [how = ''] = process.argv.slice(2)

const HANG_MS = 500
const HELD_MS = 2000

const watchdog = new Watchdog(HANG_MS)
const end = watchdog.watch('the test')
if (how === 'nothing') end()
// The thread is there.
await new Promise((resolve) => setTimeout(resolve, 3 * HANG_MS))
if (how === 'debugger') await held()
else spin()
await new Promise((resolve) => setTimeout(resolve, HANG_MS))
console.log('done')

function spin(): void {
  const until = performance.now() + HELD_MS
  while (performance.now() < until);
}

async function held(): Promise<void> {
  const debugging = `
    const session = new (require('node:inspector').Session)()
    session.connectToMainThread()
    session.post('Debugger.enable', () => session.post('Debugger.pause'))
    setTimeout(() => session.post('Debugger.resume', () => session.disconnect()), ${HELD_MS})`
  await once(new Worker(debugging, { eval: true }), 'exit')
}
