import { open, readFile, stat } from 'node:fs/promises'
import { type Clock, codeOf, type Identity, KumikoError, type RandomBytes } from '@kumiko/interface'
import type { Datastore } from 'interface-datastore'
import { writeFileAtomic } from './atomic-file.ts'
import { curve } from './curve.ts'
import { fromHex, toHex } from './hex.ts'
import { createIdentity } from './identity.ts'
import { generateSecretKey } from './secret-key.ts'
import type { SeqStore } from './sequence.ts'

/** 64 hex digits and at most two line ends; what is longer is no key file. */
const READ_MAX_BYTES = 256

/**
 * Reads a key file as go-ethereum's `nodekey`: 64 hex digits, and a line end or none.
 *
 * @returns 32 bytes.
 * @throws KumikoError `identity/no-key-file` where there is none, `identity/unreadable-key-file` where the system refuses,
 * `identity/bad-key-file` where it is a folder or holds something else.
 */
export async function loadKeyFile(path: string): Promise<Uint8Array> {
  const text = await readStart(path)
  const digits = /^([0-9a-f]{64})[\r\n]{0,2}$/i.exec(text)?.[1]
  const secretKey = digits === undefined ? undefined : fromHex(digits)
  if (secretKey === undefined) throw badKeyFile(path, `it holds ${shapeOf(text)}`)
  if (!curve.isSecretKey(secretKey)) throw badKeyFile(path, 'its number is no secp256k1 key')
  return secretKey
}

/**
 * Writes a key file, whole or not at all, with mode 0600. Missing folders are made. A file that is there is never replaced.
 *
 * @throws KumikoError `identity/key-file-exists`, `identity/key-file-not-saved`, `identity/bad-secret-key`.
 */
export async function saveKeyFile(path: string, secretKey: Uint8Array): Promise<void> {
  if (!curve.isSecretKey(secretKey)) throw new KumikoError('identity/bad-secret-key', 'bad secret key: want 32 bytes, a secp256k1 key')
  try {
    await writeFileAtomic(path, `${toHex(secretKey)}\n`, 'create')
  } catch (cause) {
    const context = { path }
    if (codeOf(cause) === 'EEXIST') {
      throw new KumikoError('identity/key-file-exists', `key file "${path}" exists: move it away first`, { context, cause })
    }
    const message = `cannot write key file "${path}" (${codeOf(cause)}): make its folder writable or choose another path`
    throw new KumikoError('identity/key-file-not-saved', message, { context, cause })
  }
}

/** Options of {@link identityFile}. */
export interface IdentityFileOptions {
  readonly clock?: Clock
  /** Where the record's sequence number is kept. Default: a file beside the key, with `.seq` behind its name. */
  readonly seqStore?: SeqStore | Datastore
  /** For a new key. Default: the system's. */
  readonly random?: RandomBytes
}

/**
 * The identity of a key file; where there is none, a key is made and saved. A file that cannot be used is left alone.
 *
 * @throws KumikoError as {@link loadKeyFile} and {@link saveKeyFile}; `identity/seq-not-saved`.
 */
export async function identityFile(path: string, { clock, seqStore, random }: IdentityFileOptions = {}): Promise<Identity> {
  const secretKey = await loadOrMake(path, random)
  return createIdentity({ secretKey, seqStore: seqStore ?? fileSeqStore(`${path}.seq`), ...(clock === undefined ? {} : { clock }) })
}

/**
 * Keeps a sequence number in a file, as decimal digits.
 *
 * @throws KumikoError `identity/seq-not-saved`, from its methods.
 */
export function fileSeqStore(path: string): SeqStore {
  const failed = (doing: string, cause: unknown): KumikoError => {
    const message = `cannot ${doing} "${path}" (${codeOf(cause)}), the node record's sequence number: make it accessible or pass a seqStore`
    return new KumikoError('identity/seq-not-saved', message, { context: { path }, cause })
  }
  return {
    async load() {
      const text = await readFile(path, 'utf8').catch((cause: unknown) => {
        if (codeOf(cause) === 'ENOENT') return ''
        throw failed('read', cause)
      })
      return /^\d{1,20}\n?$/.test(text) ? BigInt(text.trim()) : undefined
    },
    async save(seq) {
      await writeFileAtomic(path, `${seq}\n`, 'replace').catch((cause: unknown) => {
        throw failed('write', cause)
      })
    },
  }
}

async function loadOrMake(path: string, random: RandomBytes | undefined): Promise<Uint8Array> {
  try {
    return await loadKeyFile(path)
  } catch (error) {
    if (!(error instanceof KumikoError) || error.code !== 'identity/no-key-file') throw error
  }
  const secretKey = generateSecretKey(random)
  try {
    await saveKeyFile(path, secretKey)
    return secretKey
  } catch (error) {
    // Another process was faster: its key is the node's.
    if (error instanceof KumikoError && error.code === 'identity/key-file-exists') return loadKeyFile(path)
    throw error
  }
}

/** At most {@link READ_MAX_BYTES}, and never from what is no file: a pipe would wait for ever. */
async function readStart(path: string): Promise<string> {
  try {
    if (!(await stat(path)).isFile()) throw badKeyFile(path, 'it is a folder or a device')
    const file = await open(path, 'r')
    try {
      const { bytesRead, buffer } = await file.read(new Uint8Array(READ_MAX_BYTES), 0, READ_MAX_BYTES, 0)
      return new TextDecoder('latin1').decode(buffer.subarray(0, bytesRead))
    } finally {
      await file.close()
    }
  } catch (cause) {
    if (cause instanceof KumikoError) throw cause
    const context = { path }
    if (codeOf(cause) === 'ENOENT') {
      throw new KumikoError('identity/no-key-file', `no key file "${path}": make one or correct the path`, { context, cause })
    }
    const message = `cannot read key file "${path}" (${codeOf(cause)}): make it readable or correct the path`
    throw new KumikoError('identity/unreadable-key-file', message, { context, cause })
  }
}

/** What a file holds, without showing it: it may be a secret. */
function shapeOf(text: string): string {
  if (text === '') return 'nothing'
  if (/^0x/i.test(text)) return 'digits behind "0x"'
  const line = text.replace(/\r?\n$/, '')
  if (/[\r\n]/.test(line)) return 'more than one line'
  return /^[0-9a-f]*$/i.test(line) ? `${line.length} hex digits` : 'something other than hex digits'
}

function badKeyFile(path: string, why: string): KumikoError {
  const message = `bad key file "${path}": ${why}, want 64 hex digits; restore it, or move it away to get a new key`
  return new KumikoError('identity/bad-key-file', message, { context: { path } })
}
