// What the same costs with Node's sockets and Node's crypto alone, both ends in this process: `dial`, `request`, `upload`, and the type of the identity keys.
import {
  createCipheriv,
  createDecipheriv,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  verify,
} from 'node:crypto'
import { connect, createServer, type Socket } from 'node:net'
import { cpuSeconds } from '../measure.ts'

const CHUNK = new Uint8Array(64 * 1024)
const PAYLOAD = new Uint8Array(32).fill(7)
const key = randomBytes(32)
const nonce = randomBytes(12)

function seal(bytes: Uint8Array): Buffer {
  const cipher = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: 16 })
  return Buffer.concat([cipher.update(bytes), cipher.final(), cipher.getAuthTag()])
}

function open(bytes: Uint8Array): Uint8Array {
  const decipher = createDecipheriv('chacha20-poly1305', key, nonce, { authTagLength: 16 })
  decipher.setAuthTag(bytes.subarray(-16))
  const plain = decipher.update(bytes.subarray(0, -16))
  decipher.final()
  return plain
}

/** Both ends' of one connection: three exchanges each, a signature of the noise key and one of the peer record. */
function handshakeCrypto({ privateKey, publicKey }: { privateKey: KeyObject; publicKey: KeyObject }): void {
  const [a, b] = [generateKeyPairSync('x25519'), generateKeyPairSync('x25519')]
  for (let i = 0; i < 3; i++) {
    diffieHellman({ privateKey: a.privateKey, publicKey: b.publicKey })
    diffieHellman({ privateKey: b.privateKey, publicKey: a.publicKey })
  }
  const digest = privateKey.asymmetricKeyType === 'ed25519' ? null : 'sha256'
  for (let i = 0; i < 4; i++) {
    const signature = sign(digest, PAYLOAD, privateKey)
    if (!verify(digest, PAYLOAD, publicKey, signature)) throw new Error('the signature does not hold')
  }
}

async function connected(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  return socket
}

const listening = async (onSocket: (socket: Socket) => void): Promise<number> => {
  const server = createServer({ noDelay: true }, onSocket)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return typeof address === 'object' ? (address?.port ?? 0) : 0
}

async function dialing(keyType: string): Promise<() => Promise<number>> {
  const keys = keyType === 'secp256k1' ? generateKeyPairSync('ec', { namedCurve: 'secp256k1' }) : generateKeyPairSync('ed25519')
  const port = await listening((socket) => socket.end())
  return async () => {
    const socket = await connected(port)
    handshakeCrypto(keys)
    socket.resume().end()
    await new Promise((resolve) => socket.once('close', resolve))
    return 1
  }
}

async function requesting(): Promise<() => Promise<number>> {
  const port = await listening((socket) => socket.on('data', (data) => socket.write(seal(open(Buffer.from(data))))))
  const socket = await connected(port)
  return async () => {
    const answer = new Promise<Buffer>((resolve) => socket.once('data', resolve))
    socket.write(seal(PAYLOAD))
    open(await answer)
    return 1
  }
}

async function uploading(): Promise<() => Promise<number>> {
  let left = 0
  let done = (): void => {}
  const sealed = CHUNK.length + 16
  const port = await listening((socket) => {
    let held: Buffer[] = []
    let size = 0
    socket.on('data', (data) => {
      held.push(typeof data === 'string' ? Buffer.from(data) : data)
      size += data.length
      if (size < sealed) return
      const all = Buffer.concat(held)
      let offset = 0
      for (; all.length - offset >= sealed; offset += sealed) {
        open(all.subarray(offset, offset + sealed))
        left -= 1
      }
      held = [all.subarray(offset)]
      size = all.length - offset
      if (left === 0) done()
    })
  })
  const socket = await connected(port)
  return async () => {
    left = 32
    const all = new Promise<void>((resolve) => {
      done = resolve
    })
    for (let i = 0; i < 32; i++) socket.write(seal(CHUNK))
    await all
    return 32 * CHUNK.length
  }
}

const [what = '', durationMs = '', keyType = ''] = process.argv.slice(2)
const once = what === 'dial' ? await dialing(keyType) : what === 'request' ? await requesting() : await uploading()
const run = async (forMs: number): Promise<number> => {
  const before = cpuSeconds()
  let count = 0
  for (const end = performance.now() + forMs; performance.now() < end; ) count += await once()
  return count / (cpuSeconds() - before)
}
await run(Number(durationMs) / 4)
console.log(await run(Number(durationMs)))
process.exit(0)
