import { enodeOf, enrTextOf, parseNode } from '@kumiko/identity'
import { KumikoError, type Millis, type NodeId, type NodeRecord } from '@kumiko/interface'
import { badFile, isJsonObject, type JsonFile, readJsonFile, writeJsonFile } from './json-file.ts'

/** What is known of a node. Points in time are undefined where it was never so. */
export interface NodeSetEntry {
  readonly node: NodeRecord
  /** When we first heard of it. */
  readonly firstSeen?: Millis
  /** When we last heard of it, or it answered. */
  readonly lastSeen?: Millis
  /** When it was last asked whether it is there. */
  readonly lastCheck?: Millis
  /** The more it answers the higher: a whole number. */
  readonly score: number
}

/** A node set holds no more. */
export const NODE_SET_MAX = 100_000

/**
 * Nodes by id, in a file: JSON that maps each id to `record` (`enr:…`, or the enode URL of a node without one), `seq` (text, since 64 bits do not fit
 * into a number of JSON), `firstSeen`, `lastSeen`, `lastCheck` (ISO 8601, where known) and `score`, in the order of the ids. A file that is broken is
 * not read as far as it goes, and never written over: there is no set then.
 */
export class NodeSet {
  readonly path: string
  readonly #entries: Map<NodeId, NodeSetEntry>
  #isSaved: boolean

  private constructor(path: string, entries: Map<NodeId, NodeSetEntry> | undefined) {
    this.path = path
    this.#entries = entries ?? new Map()
    this.#isSaved = entries !== undefined
  }

  /**
   * The set of a file; an empty one where there is none.
   *
   * @throws KumikoError `node/unreadable-file`, `node/bad-file` with line and column.
   */
  static async open(path: string): Promise<NodeSet> {
    const file = await readJsonFile(path)
    return new NodeSet(path, file === undefined ? undefined : entriesOf(path, file))
  }

  /** As {@link NodeSet.open}, of a file that must be there. @throws KumikoError `node/no-node-set` where it is not. */
  static async load(path: string): Promise<NodeSet> {
    const set = await NodeSet.open(path)
    if (set.#isSaved) return set
    throw new KumikoError('node/no-node-set', `there is no node set "${path}": correct the path`, { context: { path } })
  }

  get size(): number {
    return this.#entries.size
  }

  get(id: NodeId): NodeSetEntry | undefined {
    return this.#entries.get(id)
  }

  /** All entries, in the order in which they were put. */
  entries(): IterableIterator<NodeSetEntry> {
    return this.#entries.values()
  }

  /** Takes an entry in, in place of the one with its id. @returns False where the set is full: {@link NODE_SET_MAX}. */
  put(entry: NodeSetEntry): boolean {
    const { nodeId } = entry.node
    if (this.size >= NODE_SET_MAX && !this.#entries.has(nodeId)) return false
    this.#entries.set(nodeId, entry)
    this.#isSaved = false
    return true
  }

  delete(id: NodeId): void {
    if (this.#entries.delete(id)) this.#isSaved = false
  }

  /** Writes the file, whole or not at all, where something changed. @throws KumikoError `node/unwritable-file`. */
  async save(): Promise<void> {
    if (this.#isSaved) return
    this.#isSaved = true
    try {
      await writeJsonFile(this.path, Object.fromEntries([...this.#entries].sort(byId).map(([id, entry]) => [id, writtenEntry(entry)])))
    } catch (error) {
      this.#isSaved = false
      throw error
    }
  }
}

const TIMES = ['firstSeen', 'lastSeen', 'lastCheck'] as const

type Written = { readonly record: string; readonly seq: string; readonly score: number } & {
  readonly [key in (typeof TIMES)[number]]?: string
}

function writtenEntry(entry: NodeSetEntry): Written {
  const { node, score } = entry
  const times = TIMES.flatMap((key) => (entry[key] === undefined ? [] : [[key, new Date(entry[key]).toISOString()]]))
  return { record: enrTextOf(node) ?? enodeOf(node), seq: node.seq.toString(), ...Object.fromEntries(times), score }
}

function byId([a]: readonly [NodeId, unknown], [b]: readonly [NodeId, unknown]): number {
  return a < b ? -1 : 1
}

/** `"<node id>":`, which is nowhere but at the start of an entry. */
const ID = /"([0-9a-f]{64})"\s*:/g

function entriesOf(path: string, file: JsonFile): Map<NodeId, NodeSetEntry> {
  const { text, value, placeOf } = file
  if (!isJsonObject(value)) throw badFile(placeOf(0), 'not a node set: want an object with an entry for each node id', { path })
  const offsets = offsetsOf(path, file)
  const entries = new Map<NodeId, NodeSetEntry>()
  for (const [id, written] of Object.entries(value)) {
    const entry = readEntry(id, written)
    if (typeof entry !== 'string') entries.set(id, entry)
    else throw badFile(placeOf(offsets.get(id) ?? text.indexOf(JSON.stringify(id))), `node ${id.slice(0, 64)}: ${entry}`, { path, id })
  }
  return entries
}

/** Where each node's entry begins. `JSON.parse` would take the last of several entries with one id. */
function offsetsOf(path: string, { text, placeOf }: JsonFile): Map<NodeId, number> {
  const offsets = new Map<NodeId, number>()
  for (const { 1: id = '', index } of text.matchAll(ID)) {
    if (offsets.has(id)) throw badFile(placeOf(index), `node ${id} is there twice`, { path, id })
    if (offsets.size === NODE_SET_MAX) throw badFile(placeOf(index), `more than ${NODE_SET_MAX} nodes`, { path })
    offsets.set(id, index)
  }
  return offsets
}

/** @returns What is wrong with it where it is no entry. */
function readEntry(id: NodeId, written: unknown): NodeSetEntry | string {
  if (!/^[0-9a-f]{64}$/.test(id)) return 'no node id: want 64 hex digits in lower case'
  if (!isJsonObject(written)) return 'want an object with "record"'
  const { record, seq, score = 0, ...rest } = written
  const times = readTimes(rest)
  if (typeof times === 'string') return times
  if (typeof score !== 'number' || !Number.isSafeInteger(score)) return '"score": want a whole number'
  const node = readRecord(record)
  if (typeof node === 'string') return `"record": ${node}`
  if (node.nodeId !== id) return `"record": it is of node ${node.nodeId}`
  return seq === undefined || seq === node.seq.toString() ? { node, ...times, score } : `"seq": want "${node.seq}", as the record says`
}

function readTimes(written: Readonly<Record<string, unknown>>): Pick<NodeSetEntry, (typeof TIMES)[number]> | string {
  const times: { [key in (typeof TIMES)[number]]?: Millis } = {}
  for (const [name, value] of Object.entries(written)) {
    const key = TIMES.find((known) => known === name)
    if (key === undefined) return `unknown "${name.slice(0, 40)}"`
    const time = typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z$/.test(value) ? Date.parse(value) : Number.NaN
    if (Number.isNaN(time)) return `"${key}": want a time as 2026-01-31T12:00:00.000Z`
    times[key] = time
  }
  return times
}

function readRecord(text: unknown): NodeRecord | string {
  if (typeof text !== 'string' || !/^(enr:|enode:)/.test(text)) return 'want enr:… or enode://…'
  try {
    return parseNode(text)
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
