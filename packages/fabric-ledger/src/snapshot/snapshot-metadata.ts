import { CHANNEL_ID, toHex } from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'

/** The files with a snapshot's contents: a pair is missing where there is nothing in it. */
export const SNAPSHOT_FILES = [
  'confighistory.data',
  'confighistory.metadata',
  'private_state_hashes.data',
  'private_state_hashes.metadata',
  'public_state.data',
  'public_state.metadata',
  'txids.data',
  'txids.metadata',
] as const

/** One of {@link SNAPSHOT_FILES}. */
export type SnapshotFile = (typeof SNAPSHOT_FILES)[number]

/** The file whose hash is the snapshot's. */
export const SIGNABLE_METADATA = '_snapshot_signable_metadata.json'

/** The file with that hash. */
export const ADDITIONAL_METADATA = '_snapshot_additional_metadata.json'

/** What a snapshot says of itself. */
export interface SignableMetadata {
  readonly channelId: string
  /** Below 2⁵³. */
  readonly lastBlockNumber: bigint
  readonly lastBlockHash: Uint8Array
  /** Of the block before; empty where the last one is block 0. */
  readonly previousBlockHash: Uint8Array
  /** The SHA-256 of each file that is there, in lower-case hex. */
  readonly files: ReadonlyMap<SnapshotFile, string>
  /** What the peer that made it keeps its state in: `CouchDB`, or `SimpleKeyValueDB` for all others. */
  readonly stateDatabase: string
}

/** What a snapshot's hash does not cover. */
export interface AdditionalMetadata {
  /** The SHA-256 of the signable metadata's file, in lower-case hex. */
  readonly snapshotHash: string
  /** Of the last block; empty where the channel has none. Nothing vouches for it but who made the snapshot. */
  readonly commitHash: Uint8Array
}

/**
 * The file as Fabric writes it, to the byte: administrators compare and sign its hash.
 * @see Fabric `core/ledger/kvledger/snapshot.go` SnapshotSignableMetadata
 */
export function writeSignableMetadata(metadata: SignableMetadata): string {
  return toJson({
    channel_name: metadata.channelId,
    last_block_number: Number(metadata.lastBlockNumber),
    last_block_hash: toHex(metadata.lastBlockHash),
    previous_block_hash: toHex(metadata.previousBlockHash),
    snapshot_files_raw_hashes: Object.fromEntries(SNAPSHOT_FILES.flatMap((name) => entryOf(metadata.files, name))),
    state_db_type: metadata.stateDatabase,
  })
}

/** The file as Fabric writes it, to the byte. */
export function writeAdditionalMetadata({ snapshotHash, commitHash }: AdditionalMetadata): string {
  return toJson({ snapshot_hash: snapshotHash, last_block_commit_hash: toHex(commitHash) })
}

/** @returns `fabric-ledger/corrupt-snapshot` where the text is not what Fabric writes. */
export function readSignableMetadata(text: string): SignableMetadata | Fault {
  const fields = fieldsOf(text)
  if (isFault(fields)) return fields
  const hashes = fields.snapshot_files_raw_hashes
  const channelId = textOf(fields.channel_name, CHANNEL_ID)
  const lastBlockNumber = fields.last_block_number
  const lastBlockHash = bytesOf(fields.last_block_hash, 32)
  const previousBlockHash = bytesOf(fields.previous_block_hash, lastBlockNumber === 0 ? 0 : 32)
  const stateDatabase = textOf(fields.state_db_type, /^[A-Za-z0-9]{1,64}$/)
  if (channelId === undefined) return corrupt('it names no channel')
  if (!isBlockNumber(lastBlockNumber)) return corrupt('it tells no last block')
  if (lastBlockHash === undefined || previousBlockHash === undefined) return corrupt('it does not tell the last block’s hashes')
  if (stateDatabase === undefined) return corrupt('it names no kind of state database')
  const files = filesOf(hashes)
  if (isFault(files)) return files
  return { channelId, lastBlockNumber: BigInt(lastBlockNumber), lastBlockHash, previousBlockHash, files, stateDatabase }
}

/** @returns `fabric-ledger/corrupt-snapshot` where the text is not, to the byte, what Fabric writes. */
export function readAdditionalMetadata(text: string): AdditionalMetadata | Fault {
  const fields = fieldsOf(text)
  if (isFault(fields)) return fields
  const snapshotHash = textOf(fields.snapshot_hash, HASH)
  const commitHash = bytesOf(fields.last_block_commit_hash, 32) ?? bytesOf(fields.last_block_commit_hash, 0)
  if (snapshotHash === undefined || commitHash === undefined) return corrupt('it does not tell the hashes')
  const metadata = { snapshotHash, commitHash }
  return writeAdditionalMetadata(metadata) === text ? metadata : corrupt('it is not as Fabric writes it')
}

const HASH = /^[0-9a-f]{64}$/

/** Go indents so too, and JSON leaves the order of fields as it is. None of the values has a letter that Go escapes and we do not. */
function toJson(fields: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(fields, undefined, 4)
}

function entryOf(files: SignableMetadata['files'], name: SnapshotFile): [string, string][] {
  const hash = files.get(name)
  return hash === undefined ? [] : [[name, hash]]
}

function fieldsOf(text: string): Readonly<Record<string, unknown>> | Fault {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : corrupt('it is no JSON object')
  } catch {
    return corrupt('it is no JSON')
  }
}

function filesOf(value: unknown): SignableMetadata['files'] | Fault {
  if (!isRecord(value)) return corrupt('it lists no files')
  const files = new Map<SnapshotFile, string>()
  for (const [name, hash] of Object.entries(value)) {
    const known = SNAPSHOT_FILES.find((each) => each === name)
    const text = textOf(hash, HASH)
    if (known === undefined || text === undefined) return corrupt(`it lists a file that no snapshot has, "${name.slice(0, 64)}"`)
    files.set(known, text)
  }
  const lonely = [...files.keys()].find((name) => !files.has(partnerOf(name)))
  return lonely === undefined ? files : corrupt(`it lists "${lonely}" without "${partnerOf(lonely)}"`)
}

function partnerOf(name: SnapshotFile): SnapshotFile {
  const [stem, ending] = name.split('.')
  const partner = `${stem}.${ending === 'data' ? 'metadata' : 'data'}`
  // Files come in pairs: it finds one.
  return SNAPSHOT_FILES.find((each) => each === partner) ?? name
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isBlockNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function textOf(value: unknown, pattern: RegExp): string | undefined {
  return typeof value === 'string' && pattern.test(value) ? value : undefined
}

function bytesOf(value: unknown, size: number): Uint8Array | undefined {
  if (typeof value !== 'string' || value.length !== size * 2 || !/^[0-9a-f]*$/.test(value)) return
  return Uint8Array.from({ length: size }, (_, at) => Number.parseInt(value.slice(at * 2, at * 2 + 2), 16))
}

function corrupt(detail: string): Fault {
  return { fault: 'fabric-ledger/corrupt-snapshot', detail }
}
