import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { codeOf, KumikoError } from '@kumiko/interface'

/** A file in PEM, with what names it: a flag, or a key of `core.yaml`. */
export interface PemFile {
  readonly name: string
  readonly path: string
}

/** A certificate and its key, PEM. */
export interface KeyPair {
  readonly certificate: Uint8Array
  readonly privateKey: Uint8Array
}

/** Reads a certificate, and the key that belongs to it. @throws KumikoError `node/bad-tls`, `node/unreadable-file`. */
export async function readKeyPair(certificate: PemFile, key: PemFile): Promise<KeyPair> {
  const pair = { certificate: await readCertificates(certificate), privateKey: await readPem(key.path) }
  const privateKey = readAs(key, 'private key in PEM, not encrypted', () => createPrivateKey(Buffer.from(pair.privateKey)))
  if (!new X509Certificate(pair.certificate).checkPrivateKey(privateKey))
    throw badTls(`${shown(key)} is not the key of ${shown(certificate)}: give the one that belongs to it`)
  return pair
}

/** Reads a certificate; others may follow. @throws KumikoError `node/bad-tls`, `node/unreadable-file`. */
export async function readCertificates(file: PemFile): Promise<Uint8Array> {
  const bytes = await readPem(file.path)
  readAs(file, 'certificate in PEM', () => new X509Certificate(bytes))
  return bytes
}

/** A file. @throws KumikoError `node/unreadable-file`. */
export async function readPem(path: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(path))
  } catch (cause) {
    const why = codeOf(cause) ?? String(cause)
    throw new KumikoError('node/unreadable-file', `cannot read "${path}" (${why}): correct the path or make it readable`, {
      context: { path },
      cause,
    })
  }
}

function readAs<T>(file: PemFile, what: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw badTls(`${shown(file)} is no ${what}: name another file`, cause)
  }
}

function shown({ name, path }: PemFile): string {
  return `${name} "${path}"`
}

function badTls(message: string, cause?: unknown): KumikoError {
  return new KumikoError('node/bad-tls', message, { cause })
}
