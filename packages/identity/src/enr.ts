import { type EnrEntries, type Fault, isFault, KumikoError, type NodeId } from '@kumiko/interface'
import { base64url } from 'multiformats/bases/base64'
import { curve } from './curve.ts'
import { keccak256 } from './keccak.ts'
import { nodeIdOf } from './node-id.ts'
import { decodeRlp, encodeRlp, isRlpBytes, isRlpList, type RlpItem, rlpBigUint } from './rlp.ts'

/** EIP-778: "The maximum encoded size of a node record is 300 bytes." */
export const ENR_SIZE_MAX_BYTES = 300

const SEQ_MAX = 2n ** 64n - 1n
const PREFIX = 'enr:'
/** 300 bytes are 400 characters of base64; what is longer is not even decoded. */
const TEXT_LENGTH_MAX = PREFIX.length + 400

/** What a record says, whether or not its signature holds. Keys are bytes, one character each (U+0000–U+00FF); values are RLP. */
export interface EnrContent {
  readonly signature: Uint8Array
  /** 0 to 2^64 − 1. */
  readonly seq: bigint
  /** Sorted by key; unknown ones are kept. */
  readonly entries: ReadonlyMap<string, Uint8Array>
}

/** A node record of the identity scheme "v4", with its signature verified. `signature` and `entries` are read anew each time. @see EIP-778 */
export interface Enr extends EnrContent {
  /** Compressed, 33 bytes. */
  readonly publicKey: Uint8Array
  readonly nodeId: NodeId
  /** The record itself, at most 300 bytes. The caller must not write to it. */
  readonly bytes: Uint8Array
}

/**
 * Reads a record and verifies it.
 *
 * @param bytes - As they came from the network; copied.
 * @returns The record, or the fault `identity/bad-enr`.
 */
export function decodeEnr(bytes: Uint8Array): Enr | Fault {
  const items = itemsOf(bytes)
  return isFault(items) ? items : recordOf(items, bytes.slice())
}

/**
 * Reads a record's text, `enr:` and base64url without padding.
 *
 * @returns The record, or the fault `identity/bad-enr`.
 */
export function decodeEnrText(text: string): Enr | Fault {
  const bytes = bytesOf(text)
  return isFault(bytes) ? bytes : decodeEnr(bytes)
}

/** Reads a record without asking for an identity scheme or a signature. @returns The content, or the fault `identity/bad-enr`. */
export function decodeEnrContent(bytes: Uint8Array): EnrContent | Fault {
  const items = itemsOf(bytes)
  return isFault(items) ? items : contentOf(items)
}

/** The record's text. */
export function formatEnr(enr: Pick<Enr, 'bytes'>): string {
  return PREFIX + base64url.baseEncode(enr.bytes)
}

/**
 * Makes and signs a record.
 *
 * @param seq - 0 to 2^64 − 1.
 * @param entries - RLP by key; `id` and `secp256k1` are set from the key, whatever is given.
 * @throws KumikoError `identity/bad-entry`, `identity/bad-seq`, `identity/record-too-large`.
 */
export function signEnr(secretKey: Uint8Array, seq: bigint, entries: EnrEntries): Enr {
  if (seq < 0n || seq > SEQ_MAX) throw new KumikoError('identity/bad-seq', `a record's sequence number is within 0–2^64 − 1, not ${seq}`)
  const publicKey = curve.publicKey(secretKey)
  const compressed = curve.compress(publicKey)
  const signed = signedEntries(compressed, entries)
  const content = [seq, ...pairsOf(signed)]
  const signature = curve.sign(keccak256(encodeRlp(content)), secretKey).slice(0, 64)
  const bytes = encodeRlp([signature, ...content])
  checkEnrSize(bytes.length)
  return new CompactEnr(bytes, seq, compressed, nodeIdOf(publicKey))
}

/**
 * The size of a record with these entries, whatever its sequence number and signature, in bytes.
 *
 * @throws KumikoError `identity/bad-entry`.
 */
export function enrSizeBytes(entries: EnrEntries): number {
  return encodeRlp([new Uint8Array(64), SEQ_MAX, ...pairsOf(signedEntries(new Uint8Array(33), entries))]).length
}

/** Sees to the limit of 300 bytes. @throws KumikoError `identity/record-too-large`. */
export function checkEnrSize(sizeBytes: number): void {
  if (sizeBytes <= ENR_SIZE_MAX_BYTES) return
  const message = `the node record would take ${sizeBytes} bytes, ${ENR_SIZE_MAX_BYTES} are allowed: remove entries or shorten them`
  throw new KumikoError('identity/record-too-large', message, { context: { sizeBytes } })
}

function bytesOf(text: string): Uint8Array | Fault {
  if (!text.startsWith(PREFIX)) return badEnr('no "enr:" in front')
  if (text.length === PREFIX.length) return badEnr('nothing behind "enr:"')
  if (text.length > TEXT_LENGTH_MAX) return badEnr(`longer than ${ENR_SIZE_MAX_BYTES} bytes`)
  if (text.includes('=')) return badEnr('padded base64')
  try {
    return base64url.baseDecode(text.slice(PREFIX.length))
  } catch {
    return badEnr('not base64url')
  }
}

function itemsOf(bytes: Uint8Array): readonly RlpItem[] | Fault {
  if (bytes.length > ENR_SIZE_MAX_BYTES) return badEnr(`longer than ${ENR_SIZE_MAX_BYTES} bytes`)
  const items = decodeRlp(bytes)
  if (isFault(items)) return badEnr(items.detail ?? 'bad RLP')
  return isRlpList(items) ? items : badEnr('not a list')
}

function contentOf(items: readonly RlpItem[]): EnrContent | Fault {
  const [signature, second, ...pairs] = items
  const seq = rlpBigUint(second, 8)
  if (items.length < 2) return badEnr('incomplete list')
  if (pairs.length % 2 !== 0) return badEnr('incomplete pair')
  if (!isRlpBytes(signature)) return badEnr('bad signature')
  if (seq === undefined) return badEnr('bad sequence number')
  const entries = entriesOf(pairs)
  return isFault(entries) ? entries : { signature, seq, entries }
}

function recordOf(items: readonly RlpItem[], bytes: Uint8Array): Enr | Fault {
  const content = contentOf(items)
  if (isFault(content)) return content
  const scheme = itemOf(content, 'id')
  if (!isRlpBytes(scheme) || scheme.length !== 2 || scheme[0] !== 0x76 || scheme[1] !== 0x34) return badEnr('identity scheme is not "v4"')
  const compressed = itemOf(content, 'secp256k1')
  const publicKey = isRlpBytes(compressed) ? curve.expand(compressed) : undefined
  if (publicKey === undefined || !isRlpBytes(compressed)) return badEnr('bad public key')
  const hash = keccak256(encodeRlp(items.slice(1)))
  if (!curve.verify(hash, content.signature, publicKey)) return badEnr('invalid signature')
  return new CompactEnr(bytes, content.seq, compressed, nodeIdOf(publicKey))
}

/** There are thousands of records: one is kept as its bytes, and its content is read when it is asked for. */
class CompactEnr implements Enr {
  readonly bytes: Uint8Array
  readonly seq: bigint
  readonly publicKey: Uint8Array
  readonly nodeId: NodeId

  constructor(bytes: Uint8Array, seq: bigint, publicKey: Uint8Array, nodeId: NodeId) {
    this.bytes = bytes
    this.seq = seq
    this.publicKey = publicKey
    this.nodeId = nodeId
  }

  get signature(): Uint8Array {
    return contentAgain(this.bytes).signature
  }

  get entries(): ReadonlyMap<string, Uint8Array> {
    return contentAgain(this.bytes).entries
  }
}

/** What was read once can be read again. */
function contentAgain(bytes: Uint8Array): EnrContent {
  const content = decodeEnrContent(bytes)
  if (isFault(content)) throw new RangeError('a record has changed under our hands')
  return content
}

/** Pairs as they lie in the record: key, value, key, value. */
function entriesOf(pairs: readonly RlpItem[]): Map<string, Uint8Array> | Fault {
  const entries = new Map<string, Uint8Array>()
  let last: string | undefined
  for (let i = 0; i + 1 < pairs.length; i += 2) {
    const [keyBytes, value] = [pairs[i], pairs[i + 1]]
    if (!isRlpBytes(keyBytes) || value === undefined) return badEnr('a key is a list')
    const key = String.fromCharCode(...keyBytes)
    if (last !== undefined && key <= last) return badEnr(key === last ? 'a key is there twice' : 'keys are not sorted')
    entries.set(key, encodeRlp(value))
    last = key
  }
  return entries
}

/** The decoded value of an entry. */
function itemOf(content: EnrContent, key: string): RlpItem | Fault | undefined {
  const value = content.entries.get(key)
  return value === undefined ? undefined : decodeRlp(value)
}

/** Sorted pairs with the identity scheme's own. */
function signedEntries(publicKey: Uint8Array, entries: EnrEntries): Map<string, Uint8Array> {
  const own: EnrEntries = { ...entries, id: encodeRlp(new TextEncoder().encode('v4')), secp256k1: encodeRlp(publicKey) }
  const pairs = Object.entries(own).filter((pair): pair is [string, Uint8Array] => pair[1] !== undefined)
  // Keys are ASCII: the order of code units is the order of bytes.
  return new Map(pairs.sort(([a], [b]) => (a < b ? -1 : 1)))
}

function pairsOf(entries: ReadonlyMap<string, Uint8Array>): RlpItem[] {
  return [...entries].flatMap(([key, value]) => {
    if (!/^[\x21-\x7e]+$/.test(key)) throw badEntry(key, 'a key is printable ASCII without blanks')
    const item = decodeRlp(value)
    if (isFault(item)) throw badEntry(key, 'the value must be the RLP of one item')
    return [new TextEncoder().encode(key), item]
  })
}

function badEntry(key: string, why: string): KumikoError {
  const name = key.slice(0, 40)
  return new KumikoError('identity/bad-entry', `bad entry "${name}" for the node record: ${why}`, { context: { key: name } })
}

function badEnr(detail: string): Fault {
  return { fault: 'identity/bad-enr', detail }
}
