// What the same bytes cost in one process with no sockets: compressed, encrypted, hashed by sender and receiver, decrypted, decompressed.
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import { hasNativeKeccak } from '@kumiko/identity'
import { compress, MESSAGE_SIZE_MAX, RunningKeccak, uncompress } from '@kumiko/rlpx'
import { ratePerCpuSecond } from '../measure.ts'

const [size, durationMs] = process.argv.slice(2).map(Number) as [number, number]
const payload = randomBytes(size)
const key = randomBytes(32)
const [cipher, decipher] = [createCipheriv('aes-256-ctr', key, Buffer.alloc(16)), createDecipheriv('aes-256-ctr', key, Buffer.alloc(16))]
/** The fastest keccak that there is here. */
const hasher = (): ((bytes: Uint8Array) => void) => {
  if (!hasNativeKeccak) {
    const keccak = new RunningKeccak()
    return (bytes) => keccak.absorb(bytes)
  }
  const hash = createHash('KECCAK-256')
  return (bytes) => void hash.update(bytes)
}
const [sent, received] = [hasher(), hasher()]

const rate = await ratePerCpuSecond(durationMs, async () => {
  for (let i = 0; i < 64; i++) {
    const ciphertext = cipher.update(compress(payload))
    sent(ciphertext)
    received(ciphertext)
    const plain = uncompress(decipher.update(ciphertext), MESSAGE_SIZE_MAX)
    if (plain instanceof Uint8Array && plain.length === size) continue
    throw new Error('the bytes did not come back')
  }
  return 64
})
console.log(rate)
