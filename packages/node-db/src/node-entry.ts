import type { RlpInput, RlpItem } from '@kumiko/identity'
import {
  curve,
  decodeEnr,
  decodeRlp,
  encodeRlp,
  enrOf,
  isRlpBytes,
  isRlpList,
  nodeFromEnr,
  nodeFromParts,
  rlpBigUint,
  rlpUint,
} from '@kumiko/identity'
import { isFault, type Millis, type NodeEndpoint, type NodeFacts, type NodeRecord } from '@kumiko/interface'

const FACTS = ['lastPing', 'lastPong', 'findFailures'] as const satisfies readonly (keyof NodeFacts)[]

/** What is written of a node. Its record is not decoded before it is asked for: that costs a check of its signature. */
export interface NodeEntry extends NodeFacts {
  /** When it was written first. */
  readonly since: Millis
  readonly seq: bigint
  readonly record: RlpItem
}

/** What is to be written of a node. */
export interface NodeChange {
  readonly node: NodeRecord
  readonly facts: NodeFacts
  readonly at: Millis
}

/** Two changes in one: what came later wins. */
export function joinChanges(first: NodeChange | undefined, { node, facts, at }: NodeChange): NodeChange {
  if (first === undefined) return { node, facts: cleanFacts(facts), at }
  return { node: first.node.seq > node.seq ? first.node : node, facts: { ...first.facts, ...cleanFacts(facts) }, at: first.at }
}

/** An entry after a change. */
export function applyChange(before: NodeEntry | undefined, { node, facts, at }: NodeChange): NodeEntry {
  if (before !== undefined && before.seq > node.seq) return { ...before, ...facts }
  return { since: at, ...before, ...facts, seq: node.seq, record: recordOf(node) }
}

/** RLP: `[since, [lastPing]?, [lastPong]?, [findFailures]?, seq, record]`; the record is an ENR's bytes, or `[publicKey, [[host, tcp, udp], …]]`. */
export function encodeNodeEntry({ since, lastPing, lastPong, findFailures, seq, record }: NodeEntry): Uint8Array {
  return encodeRlp([Math.floor(since), optional(lastPing), optional(lastPong), optional(findFailures), seq, record])
}

/** @returns Undefined for what {@link encodeNodeEntry} does not make. */
export function decodeNodeEntry(bytes: Uint8Array): NodeEntry | undefined {
  const items = decodeRlp(bytes)
  if (!isRlpList(items)) return undefined
  const [since, seq, record] = [rlpUint(items[0], 6), rlpBigUint(items[4], 8), items[5]]
  if (since === undefined || seq === undefined || record === undefined) return undefined
  return { since, ...factOf('lastPing', items[1]), ...factOf('lastPong', items[2]), ...factOf('findFailures', items[3]), seq, record }
}

/** The facts of an entry, and nothing else. */
export function factsOf(entry: NodeFacts): NodeFacts {
  return Object.fromEntries(FACTS.filter((name) => entry[name] !== undefined).map((name) => [name, entry[name]]))
}

/** @returns Undefined where the record makes no node. */
export function nodeOf({ record }: Pick<NodeEntry, 'record'>): NodeRecord | undefined {
  if (isRlpBytes(record)) {
    const enr = decodeEnr(record)
    return isFault(enr) ? undefined : nodeFromEnr(enr)
  }
  const [publicKey, endpoints] = record
  if (!isRlpBytes(publicKey) || publicKey.length !== 33 || curve.expand(publicKey) === undefined || !isRlpList(endpoints)) return undefined
  return nodeFromParts({ publicKey: Uint8Array.from(publicKey), endpoints: endpoints.flatMap(endpointOf) })
}

function recordOf(node: NodeRecord): RlpItem {
  const enr = enrOf(node)
  if (enr !== undefined) return enr.bytes
  const endpoints = node.endpoints.map(({ host, tcp, udp }) => [new TextEncoder().encode(host), portBytes(tcp), portBytes(udp)])
  return [node.publicKey, endpoints]
}

function portBytes(port = 0): Uint8Array {
  return port === 0 ? new Uint8Array() : port < 256 ? Uint8Array.of(port) : Uint8Array.of(port >> 8, port & 255)
}

function endpointOf(item: RlpItem): NodeEndpoint[] {
  if (!isRlpList(item) || !isRlpBytes(item[0])) return []
  const [tcp, udp] = [rlpUint(item[1], 2), rlpUint(item[2], 2)]
  return [{ host: new TextDecoder().decode(item[0]), ...(tcp ? { tcp } : {}), ...(udp ? { udp } : {}) }]
}

function optional(value: number | undefined): RlpInput {
  return value === undefined ? [] : [value]
}

function factOf(name: keyof NodeFacts, item: RlpItem | undefined): NodeFacts {
  const value = isRlpList(item) ? rlpUint(item[0], 6) : undefined
  return value === undefined ? {} : { [name]: value }
}

/** What RLP cannot write is no fact: times before 1970, and what is no number. */
function cleanFacts(facts: NodeFacts): NodeFacts {
  const fit = FACTS.filter((name) => (facts[name] ?? -1) >= 0 && (facts[name] ?? 0) < 2 ** 48)
  return Object.fromEntries(fit.map((name) => [name, Math.floor(facts[name] ?? 0)]))
}
