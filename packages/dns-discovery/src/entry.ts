import { decodeEnrText, decodeRlp, enrTextOf, keccak256, nodeFromEnr, rlpUint } from '@kumiko/identity'
import { type Fault, isFault, type NodeRecord } from '@kumiko/interface'
import { decodeBase32, encodeBase32 } from './base32.ts'
import { parseTreeUrl, type TreeUrl } from './tree-url.ts'

/** Points on to other entries. */
export interface BranchEntry {
  readonly kind: 'branch'
  /** Their hashes, as base32. */
  readonly children: readonly string[]
}

/** Points to another tree. */
export interface LinkEntry {
  readonly kind: 'link'
  readonly url: TreeUrl
}

/** One node. */
export interface NodeEntry {
  readonly kind: 'node'
  readonly node: NodeRecord
}

/** What lies in a tree below its root. */
export type Entry = BranchEntry | LinkEntry | NodeEntry

const BRANCH_PREFIX = 'enrtree-branch:'
const LINK_PREFIX = 'enrtree:'
const ENR_PREFIX = 'enr:'

/** What is longer is not even read: go-ethereum writes at most 404 characters, DNS over UDP carries 512. */
const TEXT_LENGTH_MAX = 4096

/** EIP-1459 leaves the length of hashes open; go-ethereum takes 12 to 32 bytes and writes 16. */
const HASH_BYTES_MIN = 12
const HASH_BYTES_MAX = 32
const HASH_BYTES = 16

const PORTS = ['tcp', 'tcp6', 'udp', 'udp6']

/**
 * Reads an entry's text and verifies what it holds: a record's signature, a link's key.
 *
 * @param text - Any text.
 * @returns The entry, or one of the faults `dns-discovery/unknown-entry`, `bad-branch`, `bad-link`, `bad-enr`.
 * @see EIP-1459 § DNS Record Structure
 */
export function parseEntry(text: string): Entry | Fault {
  if (text.length > TEXT_LENGTH_MAX) return { fault: 'dns-discovery/unknown-entry', detail: `${text.length} characters` }
  if (text.startsWith(BRANCH_PREFIX)) return parseBranch(text.slice(BRANCH_PREFIX.length))
  if (text.startsWith(LINK_PREFIX)) return parseLink(text)
  if (text.startsWith(ENR_PREFIX)) return parseNodeEntry(text)
  return { fault: 'dns-discovery/unknown-entry', detail: text.slice(0, 40) }
}

/** The entry's text. A node must have an ENR. */
export function formatEntry(entry: Entry): string {
  if (entry.kind === 'branch') return BRANCH_PREFIX + entry.children.join(',')
  return entry.kind === 'link' ? entry.url.text : (enrTextOf(entry.node) ?? '')
}

/** What an entry is called by: the first 16 bytes of the keccak-256 of its text, as 26 characters of base32. */
export function entryHash(text: string): string {
  return encodeBase32(keccakOf(text).subarray(0, HASH_BYTES))
}

/** Tells whether a text is what a hash calls for. */
export function matchesHash(text: string, hash: string): boolean {
  const wanted = decodeBase32(hash)
  if (wanted === undefined || !isEntryHash(hash)) return false
  const actual = keccakOf(text)
  return wanted.every((byte, i) => byte === actual[i])
}

/** Tells whether a text can be the hash of an entry: 12 to 32 bytes in base32. */
export function isEntryHash(text: string): boolean {
  const sizeBytes = Math.floor((text.length * 5) / 8)
  return sizeBytes >= HASH_BYTES_MIN && sizeBytes <= HASH_BYTES_MAX && decodeBase32(text) !== undefined
}

function keccakOf(text: string): Uint8Array {
  return keccak256(new TextEncoder().encode(text))
}

function parseBranch(list: string): BranchEntry | Fault {
  if (list === '') return { kind: 'branch', children: [] }
  const children = list.split(',')
  const bad = children.find((child) => !isEntryHash(child))
  if (bad !== undefined) return { fault: 'dns-discovery/bad-branch', detail: `bad hash ${JSON.stringify(bad.slice(0, 60))}` }
  return { kind: 'branch', children }
}

function parseLink(text: string): LinkEntry | Fault {
  const url = parseTreeUrl(text)
  return isFault(url) ? { fault: 'dns-discovery/bad-link', ...(url.detail && { detail: url.detail }) } : { kind: 'link', url }
}

function parseNodeEntry(text: string): NodeEntry | Fault {
  const enr = decodeEnrText(text)
  if (isFault(enr)) return { fault: 'dns-discovery/bad-enr', ...(enr.detail && { detail: enr.detail }) }
  const badPort = PORTS.find((key) => !isPort(enr.entries.get(key)))
  if (badPort !== undefined) return { fault: 'dns-discovery/bad-enr', detail: `${badPort} is no port` }
  return { kind: 'node', node: nodeFromEnr(enr) }
}

/** A record without the entry is fine; one with an entry that is no number of 16 bits is not. */
function isPort(rlp: Uint8Array | undefined): boolean {
  if (rlp === undefined) return true
  const item = decodeRlp(rlp)
  const port = isFault(item) ? undefined : rlpUint(item, 2)
  return port !== undefined
}
