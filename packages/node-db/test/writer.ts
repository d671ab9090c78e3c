// Usage: writer.ts <folder> <first index>. Writes for ever, by four at once, and tells on stdout what it was told is written: `put 7`, `node 7`.
// Where a write fails it tells `failed`, and goes on. What is logged as an error is told as `log: …`.
import { setTimeout } from 'node:timers/promises'
import { nodeDatabaseSymbol, systemClock } from '@kumiko/interface'
import { openNodeDb } from '@kumiko/node-db'
import { contentOf, keyOf, nodeOf, pairOf } from './written.ts'

const [path = '', first = '0'] = process.argv.slice(2)
const log = Object.assign(() => {}, { enabled: true, trace: () => {}, newScope: () => log, error: tellError })
const db = await openNodeDb({ path, logger: { forComponent: () => log } })
let next = Number(first)

async function write(): Promise<void> {
  for (;;) {
    const index = next++
    try {
      await writeOne(index)
      process.stdout.write(`put ${index}\n`)
      if (index % 50 !== 0) continue
      await noteOne(index)
      process.stdout.write(`node ${index}\n`)
    } catch {
      // What is noted meanwhile waits, and is no unhandled rejection.
      await noteOne(index)
      process.stdout.write('failed\n')
      await setTimeout(5)
    }
  }
}

async function noteOne(index: number): Promise<void> {
  db[nodeDatabaseSymbol].note('discv4', nodeOf(index), { lastPong: systemClock.now() })
  await db.stop()
}

function tellError(message: string): void {
  process.stdout.write(`log: ${message}\n`)
}

async function writeOne(index: number): Promise<void> {
  if (index % 3 > 0) {
    await db.put(keyOf(index), contentOf(index))
    return
  }
  const batch = db.batch()
  batch.put(keyOf(index), contentOf(index))
  batch.put(pairOf(index), contentOf(index))
  await batch.commit()
}

await Promise.all([write(), write(), write(), write()])
