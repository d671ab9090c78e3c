import { Buffer } from 'node:buffer'
import { crc32, gunzip } from 'node:zlib'
import type { Fault } from '@kumiko/interface'
import { extract, pack } from 'tar-stream'

/** A file in an archive. */
export interface ArchivedFile {
  /** As the archive has it; may be any text. */
  readonly name: string
  readonly content: Uint8Array
}

/** An entry of an archive as it is read. */
export interface ArchiveEntry extends ArchivedFile {
  /** `file` and `directory`; what else there is, a symbolic link say, by tar's own name; `unknown`. */
  readonly type: string
  /** As `chmod` has it. */
  readonly mode: number
}

/** How much of an archive is read. */
export interface ArchiveLimits {
  /** Bytes unpacked, headers and all. */
  readonly bytesMax: number
  readonly entriesMax: number
}

/** Of Fabric's whole messages the limit is 100 MiB: what unpacks to much more is no chaincode. */
export const ARCHIVE_LIMITS: ArchiveLimits = { bytesMax: 512 * 1024 * 1024, entriesMax: 100_000 }

/**
 * Reads a `.tar.gz`. It is unpacked as a whole: into as much memory as the limits let it, and its contents are views of that.
 * @returns `fabric-chaincode/bad-archive`, with Go's words where it has some, also where the archive is beyond the limits.
 */
export async function readArchive(source: Uint8Array, limits: ArchiveLimits = ARCHIVE_LIMITS): Promise<readonly ArchiveEntry[] | Fault> {
  const problem = gzipProblem(source)
  if (problem !== undefined) return badArchive(`error reading as gzip stream: ${problem}`)
  const unpacked = await unzip(source, limits.bytesMax)
  if (unpacked instanceof Error) return badArchive(`error reading as gzip stream: ${unpacked.message}`)
  const entries: ArchiveEntry[] = []
  try {
    const reader = extract()
    reader.end(unpacked)
    for await (const entry of reader) {
      if (entries.length >= limits.entriesMax) return badArchive(`it has more than ${limits.entriesMax} entries`)
      const parts: Uint8Array[] = []
      // Buffers: tar-stream does not say so.
      for await (const part of entry) parts.push(part as Uint8Array)
      const { name, type, mode } = entry.header
      entries.push({
        name,
        type: type ?? 'unknown',
        mode: mode ?? 0,
        content: parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts),
      })
    }
  } catch (error) {
    return badArchive(`error inspecting next tar header: ${error instanceof Error ? error.message : String(error)}`)
  }
  return entries
}

/** Who owns files in an archive. */
export interface ArchiveOwner {
  readonly uid: number
  readonly gid: number
}

/**
 * Writes a `.tar.gz` of files: the same bytes for the same files on each machine, for its hash is a name. So it has no times, and is not
 * compressed: compressors differ.
 */
export async function writeArchive(files: Iterable<ArchivedFile>, { uid, gid }: ArchiveOwner): Promise<Uint8Array> {
  const writer = pack()
  const parts: Uint8Array[] = []
  const read = (async () => {
    for await (const part of writer) parts.push(part as Uint8Array)
  })()
  for (const { name, content } of files) writer.entry({ name, mode: 0o644, uid, gid, mtime: new Date(0) }, Buffer.from(content))
  writer.finalize()
  await read
  return stored(Buffer.concat(parts))
}

/** Why bytes do not begin as a gzip stream does, in Go's words; undefined where they do. */
export function gzipProblem(source: Uint8Array): string | undefined {
  if (source.length < GZIP_HEADER.length) return source.length === 0 ? 'EOF' : 'unexpected EOF'
  return GZIP_HEADER.subarray(0, 3).every((byte, at) => source[at] === byte) ? undefined : 'gzip: invalid header'
}

function unzip(source: Uint8Array, maxOutputLength: number): Promise<Buffer | Error> {
  return new Promise((done) => {
    gunzip(source, { maxOutputLength }, (error, unpacked) => done(error ?? unpacked))
  })
}

/** RFC 1952's header without a name or a time, of an unknown system, as Go writes it. */
const GZIP_HEADER = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff)

/** What a block of RFC 1951 that is not compressed may hold. */
const STORED_MAX = 0xffff

/** A gzip stream that is not compressed (RFC 1951 § 3.2.4). */
function stored(bytes: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [GZIP_HEADER]
  let at = 0
  do {
    const block = bytes.subarray(at, at + STORED_MAX)
    at += STORED_MAX
    const header = new Uint8Array(5)
    const view = new DataView(header.buffer)
    view.setUint8(0, at >= bytes.length ? 1 : 0)
    view.setUint16(1, block.length, true)
    view.setUint16(3, ~block.length & 0xffff, true)
    parts.push(header, block)
  } while (at < bytes.length)
  const trailer = new Uint8Array(8)
  const view = new DataView(trailer.buffer)
  view.setUint32(0, crc32(bytes), true)
  view.setUint32(4, bytes.length >>> 0, true)
  return new Uint8Array(Buffer.concat([...parts, trailer]))
}

function badArchive(detail: string): Fault {
  return { fault: 'fabric-chaincode/bad-archive', detail: detail.slice(0, 200) }
}
