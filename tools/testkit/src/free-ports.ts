import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/** Below those that systems give to connections that go out (Linux from 32768, macOS from 49152): such a connection takes none while its server is down. */
const [FIRST, END] = [20_000, 32_768]

const TRIES = 1000

/** Ports of 127.0.0.1 that nobody listens on now: for servers that must know each other's before they start, or come back on their own. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>()
  for (let left = TRIES; left > 0 && ports.size < count; left--) {
    const port = randomInt(FIRST, END)
    if (await isFree(port)) ports.add(port)
  }
  if (ports.size < count) throw new Error(`fewer than ${count} of ${TRIES} ports of 127.0.0.1 are free`)
  return [...ports]
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  const listening = new Promise<boolean>((resolve) => server.once('error', () => resolve(false)).once('listening', () => resolve(true)))
  server.listen(port, '127.0.0.1')
  const isListening = await listening
  if (isListening) await new Promise((resolve) => server.close(resolve))
  return isListening
}
