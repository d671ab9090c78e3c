import {
  decodeEnr,
  decodeEnrContent,
  decodeRlp,
  enodeOf,
  formatEnr,
  formatIp,
  isRlpBytes,
  isRlpList,
  MULTIADDRS_KEY,
  nodeFromEnr,
  type RlpItem,
  readEnrMultiaddrs,
  rlpBigUint,
  toHex,
} from '@kumiko/identity'
import { isFault, KumikoError } from '@kumiko/interface'

/** A node record for a person. */
export interface EnrDescription {
  readonly isValid: boolean
  /** Why the signature does not hold. */
  readonly why?: string
  readonly seq: bigint
  readonly sizeBytes: number
  /** These three of a valid record only. */
  readonly nodeId?: string
  readonly peerId?: string
  readonly enode?: string
  readonly entries: readonly EnrEntry[]
}

/** One entry. */
export interface EnrEntry {
  readonly key: string
  /** In words where the key is known, else in hex digits. */
  readonly text: string
  /** Hex digits of the RLP. */
  readonly rlp: string
}

/** The bytes of a record's text. @throws KumikoError `identity/bad-enr`. */
export function enrBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(Buffer.from(text.replace(/^enr:/, ''), 'base64url'))
  // Node's decoder passes over what is no base64url: what comes back as it was, was well formed.
  if (text.startsWith('enr:') && formatEnr({ bytes }) === text && bytes.length > 0) return bytes
  const shown = text.length > 80 ? `${text.slice(0, 80)}…` : text
  throw new KumikoError('identity/bad-enr', `bad ENR "${shown}": want "enr:" and base64url without padding behind it`)
}

/** Reads a record, also one whose signature does not hold. @throws KumikoError `identity/bad-enr` where it cannot be read at all. */
export function describeEnr(text: string): EnrDescription {
  const bytes = enrBytes(text)
  const content = decodeEnrContent(bytes)
  if (isFault(content)) throw new KumikoError('identity/bad-enr', `bad ENR: ${content.detail}; nothing can be read from it`)
  const record = decodeEnr(bytes)
  const entries = [...content.entries].map(([key, rlp]) => ({ key, text: describeEntry(key, rlp), rlp: toHex(rlp) }))
  const common = { seq: content.seq, sizeBytes: bytes.length, entries }
  if (isFault(record)) return { isValid: false, ...(record.detail === undefined ? {} : { why: record.detail }), ...common }
  const node = nodeFromEnr(record)
  return { isValid: true, nodeId: node.nodeId, peerId: node.peerId.toString(), enode: enodeOf(node), ...common }
}

/** Entries in words; undefined where the value is not as the key's specification has it. */
const READERS: Readonly<Record<string, (item: RlpItem) => string | undefined>> = {
  id: (item) =>
    isRlpBytes(item) && /^[\x21-\x7e]*$/.test(Buffer.from(item).toString('latin1')) ? Buffer.from(item).toString('latin1') : undefined,
  ip: (item) => ipOf(item, 4),
  ip6: (item) => ipOf(item, 16),
  tcp: portOf,
  tcp6: portOf,
  udp: portOf,
  udp6: portOf,
  quic: portOf,
  quic6: portOf,
  eth: forkIdOf,
}

function describeEntry(key: string, rlp: Uint8Array): string {
  const item = decodeRlp(rlp)
  if (isFault(item)) return `0x${toHex(rlp)}`
  if (key === MULTIADDRS_KEY) return readEnrMultiaddrs(rlp).join(' ') || inHex(item)
  return (Object.hasOwn(READERS, key) ? READERS[key]?.(item) : undefined) ?? inHex(item)
}

/** Lists in brackets. */
function inHex(item: RlpItem): string {
  return isRlpBytes(item) ? `0x${toHex(item)}` : `[${item.map(inHex).join(', ')}]`
}

function ipOf(item: RlpItem, length: 4 | 16): string | undefined {
  return isRlpBytes(item) && item.length === length ? formatIp(item) : undefined
}

function portOf(item: RlpItem): string | undefined {
  return rlpBigUint(item, 2)?.toString()
}

/** @see EIP-2124: `[[hash, next], …]`. */
function forkIdOf(item: RlpItem): string | undefined {
  const forkId = isRlpList(item) ? item[0] : undefined
  const [hash, next] = forkId !== undefined && isRlpList(forkId) ? forkId : []
  const fork = rlpBigUint(next, 8)
  if (!isRlpBytes(hash) || hash.length !== 4 || fork === undefined) return undefined
  return `fork 0x${toHex(hash)}, ${fork === 0n ? 'none to come' : `next at ${fork}`}`
}
