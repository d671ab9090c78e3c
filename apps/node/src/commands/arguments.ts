import { createIdentity, curve, fromHex, loadKeyFile, parseIp } from '@kumiko/identity'
import { type Identity, KumikoError } from '@kumiko/interface'
import { InvalidArgumentError } from 'commander'

/** A parser of whole numbers for a flag. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
    if (!(value >= min && value <= max)) throw new InvalidArgumentError(`Want a whole number from ${min} to ${max}.`)
    return value
  }
}

/** A parser of numbers above 0 for a flag. */
export function positiveNumber(max: number): (text: string) => number {
  return (text) => {
    const value = /^\d*\.?\d+$/.test(text) ? Number(text) : Number.NaN
    if (!(value > 0 && value <= max)) throw new InvalidArgumentError(`Want a number above 0, at most ${max}.`)
    return value
  }
}

/** Reads a sequence number for a flag. */
export function sequenceNumber(text: string): bigint {
  const value = /^\d{1,20}$/.test(text) ? BigInt(text) : undefined
  if (value === undefined || value >= 2n ** 64n) throw new InvalidArgumentError('Want a whole number from 0 to 2^64 − 1.')
  return value
}

/** A parser of IP addresses for a flag. */
export function ipAddress(bytes: 4 | 16): (text: string) => string {
  return (text) => {
    if (parseIp(text)?.length !== bytes) throw new InvalidArgumentError(`Want an IPv${bytes === 4 ? 4 : 6} address.`)
    return text
  }
}

/** What is read from stdin is no longer. */
const STDIN_MAX_BYTES = 64 * 1024

/** The argument itself, or what stdin holds where it is `-`; without blanks around it. */
export async function argumentText(argument: string): Promise<string> {
  if (argument !== '-') return argument.trim()
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const chunk of process.stdin) {
    const bytes = chunk as Uint8Array
    sizeBytes += bytes.length
    if (sizeBytes > STDIN_MAX_BYTES)
      throw new KumikoError('node/stdin-too-long', `stdin holds more than ${STDIN_MAX_BYTES} bytes: want one value`)
    chunks.push(bytes)
  }
  const text = Buffer.concat(chunks).toString('utf8').trim()
  if (text === '') throw new KumikoError('node/stdin-empty', 'stdin holds nothing: pipe the value in, or give it as an argument')
  return text
}

/** Digits enough to be a key gone wrong: such text is not shown. */
const KEY_LIKE = /^(0x)?[0-9a-f]{32,}$/i

/** A secret key, given as a key file or as 64 hex digits, or as `-` for either's content from stdin. */
export async function secretKeyOf(argument: string): Promise<Uint8Array> {
  const text = await argumentText(argument)
  const isFile = argument !== '-' && !KEY_LIKE.test(text)
  if (isFile) return await loadKeyFile(text)
  const secretKey = fromHex(text.replace(/^0x/i, ''))
  if (secretKey?.length === 32 && curve.isSecretKey(secretKey)) return secretKey
  const digits = text.replace(/^0x/i, '').length
  const message =
    digits === 64 ? 'bad secret key: no number of secp256k1' : `bad secret key of ${digits} characters: want 64 hex digits, or a key file`
  throw new KumikoError('node/bad-key', message)
}

/** The identity of a secret key. */
export async function identityOf(argument: string): Promise<Identity> {
  return await createIdentity({ secretKey: await secretKeyOf(argument) })
}
