import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { curve } from '@kumiko/identity'
import { systemClock } from '@kumiko/interface'
import { connectRlpx, DEFAULT_TIMING, dialTcp } from '@kumiko/rlpx'

const PEERS = 300

interface Answer {
  readonly port: number
  readonly publicKey: string
  readonly bytes: number
  readonly peers: number
}

/** Bytes of heap that a server in a process of its own holds for each idle peer. The dialing side is ours for all, and is not counted. */
export async function idleBytesPerPeer(worker: 'ours' | 'ejs'): Promise<number> {
  const file = fileURLToPath(new URL(`./workers/${worker}.ts`, import.meta.url))
  const child = fork(file, ['serve'], { execArgv: ['--conditions=@kumiko/source', '--expose-gc', '--no-warnings'] })
  const answer = (): Promise<Answer> => new Promise((resolve) => child.once('message', (message) => resolve(message as Answer)))
  const ask = async (): Promise<Answer> => {
    const answered = answer()
    child.send('measure')
    return await answered
  }
  try {
    const { port, publicKey } = await answer()
    await connectMany(port, Buffer.from(publicKey, 'hex'), 20) // what is made once is made before it counts
    const before = await ask()
    await connectMany(port, Buffer.from(publicKey, 'hex'), PEERS)
    const after = await ask()
    return (after.bytes - before.bytes) / (after.peers - before.peers)
  } finally {
    child.kill()
  }
}

async function connectMany(port: number, publicKey: Uint8Array, count: number): Promise<void> {
  const capabilities = [{ name: 'bench', version: 1, length: 8 }]
  for (let i = 0; i < count; i++) {
    const secretKey = new Uint8Array(randomBytes(32))
    const session = {
      curve,
      randomBytes,
      secretKey,
      publicKey: curve.publicKey(secretKey),
      clientId: 'bench',
      listenPort: 0,
      capabilities,
      timing: DEFAULT_TIMING,
    }
    await connectRlpx(await dialTcp('127.0.0.1', port), publicKey, { session, clock: systemClock })
  }
  await new Promise((resolve) => setTimeout(resolve, 200)) // the server hears of the last Hello
}
