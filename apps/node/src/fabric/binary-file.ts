import { open, rename, rm, writeFile } from 'node:fs/promises'
import { codeOf, KumikoError } from '@kumiko/interface'

/** No block is larger: orderers and gRPC are set to 100 MB at most. */
const BINARY_MAX_BYTES = 1 << 28

/**
 * The bytes of a file, or of stdin for `-`.
 * @throws KumikoError `node/unreadable-file` where the system refuses, or it is no file; `node/file-too-large`.
 */
export async function readBinary(path: string): Promise<Uint8Array<ArrayBuffer>> {
  if (path === '-') return await collect(process.stdin, 'stdin')
  try {
    await using file = await open(path, 'r')
    return await collect(file.createReadStream({ autoClose: false, end: BINARY_MAX_BYTES }), `"${path}"`)
  } catch (cause) {
    if (cause instanceof KumikoError) throw cause
    const why = codeOf(cause) ?? String(cause)
    const message = `cannot read "${path}" (${why}): correct the path or make it readable`
    throw new KumikoError('node/unreadable-file', message, { context: { path }, cause })
  }
}

async function collect(stream: AsyncIterable<unknown>, name: string): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const chunk of stream) {
    // Both kinds of streams give bytes where no encoding is set.
    chunks.push(chunk as Uint8Array)
    sizeBytes += (chunk as Uint8Array).length
    if (sizeBytes > BINARY_MAX_BYTES)
      throw new KumikoError('node/file-too-large', `${name} holds more than ${BINARY_MAX_BYTES} bytes: no block is so large`)
  }
  return new Uint8Array(Buffer.concat(chunks))
}

/** Writes a file, whole or not at all, in place of what is there. @throws KumikoError `node/unwritable-file`. */
export async function writeBinary(path: string, bytes: Uint8Array): Promise<void> {
  const part = `${path}.${process.pid}.part`
  try {
    await writeFile(part, bytes, { flush: true })
    await rename(part, path)
  } catch (cause) {
    await rm(part, { force: true }).catch(() => {})
    const why = codeOf(cause) ?? String(cause)
    const message = `cannot write "${path}" (${why}): make its folder, make it writable, or choose another path`
    throw new KumikoError('node/unwritable-file', message, { context: { path }, cause })
  }
}
