import { access, rm } from 'node:fs/promises'
import { DnsClient, type ResolveTxt, readTreeUrl, type TreeUrl, toZone, type VerifiedTree } from '@kumiko/dns-discovery'
import { type Clock, type Fault, isFault, KumikoError, type Millis, sleep, systemClock } from '@kumiko/interface'
import { writeJsonFile } from '../json-file.ts'
import { NodeSet } from '../node-set.ts'
import { openTreeFolder, readZone, type TreeFolder, writeTreeInfo } from './tree-folder.ts'

/** What {@link syncTree} is to do. */
export interface SyncTreeOptions {
  /** `enrtree://…`. */
  readonly url: string
  readonly folder: string
  readonly resolve: ResolveTxt
  readonly requestsPerSecond: number
  readonly signal: AbortSignal
  /** Told after each entry. */
  readonly onProgress: (progress: SyncProgress) => void
  readonly clock?: Clock
}

/** How far it is. */
export interface SyncProgress {
  readonly entries: number
  readonly nodes: number
  /** Entries heard of and not read yet. */
  readonly pending: number
}

/** What became of it. */
export interface SyncReport {
  readonly url: string
  readonly seq: bigint
  readonly nodes: number
  readonly links: readonly string[]
  readonly entries: number
  readonly lookups: number
}

/** What was read is written to the disk after this, at the latest. */
const SAVE_MS: Millis = 2000

/** Lookups that fail, or entries that are gone because the tree changed, end it when nothing new was read for so many tries. */
const TRIES = 3
const RETRY_MS: Millis = 1000

/**
 * Reads a whole tree into a folder. What is in the folder from before, of an interrupted reading or of an older version of the tree, is not asked
 * for again.
 *
 * @throws KumikoError `node/sync-interrupted` with the signal, `node/sync-failed` with the tree's fault; either keeps what was read.
 * `dns-discovery/bad-url`, `node/other-tree`, `node/other-nodes`; of the files, as `readJsonFile` and `writeJsonFile`.
 */
export async function syncTree(options: SyncTreeOptions): Promise<SyncReport> {
  const { resolve, requestsPerSecond, clock = systemClock } = options
  const url = readTreeUrl(options.url)
  const folder = await openTreeFolder(options.folder, url.text)
  await checkNodes(folder)
  const client = new DnsClient({ resolve, requestsPerSecond, clock, cacheMax: 0 })
  const reading = new Reading(folder, url.domain, await knownEntries(folder, url.domain), clock)
  if (folder.info === undefined) await writeTreeInfo(folder, { url: url.text, links: [] })
  try {
    const tree = await read(client, url.text, reading, options)
    if (isFault(tree)) throw failed(tree, reading.known.size)
    if (tree.seq < (folder.info?.seq ?? 0n))
      throw failed({ fault: 'dns-discovery/old-root', detail: `${tree.seq} after ${folder.info?.seq}` }, 0)
    await write(folder, tree, url, clock.now())
    reading.isWritten = true
    return {
      url: url.text,
      seq: tree.seq,
      nodes: tree.records.length,
      links: tree.urls.map(({ text }) => text),
      entries: tree.entries.size,
      lookups: client.lookups,
    }
  } finally {
    await reading.end()
  }
}

/** A node set that no tree was read into is somebody's work. */
async function checkNodes({ path, info, nodesPath }: TreeFolder): Promise<void> {
  if (info !== undefined || !(await isThere(nodesPath))) return
  throw new KumikoError('node/other-nodes', `folder "${path}" holds nodes of another source: choose another folder`, { context: { path } })
}

async function isThere(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  )
}

/** By hash. */
async function knownEntries({ zonePath, partialPath }: TreeFolder, domain: string): Promise<Map<string, string>> {
  const known = new Map<string, string>()
  for (const path of [zonePath, partialPath]) {
    for (const [name, text] of await readZone(path)) if (name.endsWith(`.${domain}`)) known.set(name.slice(0, -domain.length - 1), text)
  }
  return known
}

/** Entries as they come, saved now and then. */
class Reading {
  readonly known: Map<string, string>
  isWritten = false
  readonly #folder: TreeFolder
  readonly #domain: string
  readonly #clock: Clock
  #isChanged = false
  #savedAt: Millis
  #saving: Promise<void> | undefined

  constructor(folder: TreeFolder, domain: string, known: Map<string, string>, clock: Clock) {
    this.#folder = folder
    this.#domain = domain
    this.known = known
    this.#clock = clock
    this.#savedAt = clock.now()
  }

  take(hash: string, text: string): void {
    if (this.known.get(hash) === text) return
    this.known.set(hash, text)
    this.#isChanged = true
    if (this.#saving !== undefined || this.#clock.now() < this.#savedAt + SAVE_MS) return
    // What goes wrong goes wrong again at the end, and is told then.
    this.#saving = this.#save()
      .catch(() => {
        this.#isChanged = true
      })
      .finally(() => {
        this.#saving = undefined
      })
  }

  /** Saves what is not, or removes all once it is written elsewhere. */
  async end(): Promise<void> {
    await this.#saving
    if (this.isWritten) await rm(this.#folder.partialPath, { force: true })
    else if (this.#isChanged) await this.#save()
  }

  async #save(): Promise<void> {
    this.#savedAt = this.#clock.now()
    this.#isChanged = false
    await writeJsonFile(
      this.#folder.partialPath,
      Object.fromEntries([...this.known].map(([hash, text]) => [`${hash}.${this.#domain}`, text])),
    )
  }
}

async function read(client: DnsClient, url: string, reading: Reading, options: SyncTreeOptions): Promise<VerifiedTree | Fault> {
  const { signal, onProgress, clock = systemClock } = options
  for (let tries = 1; ; tries++) {
    const before = reading.known.size
    const progress = { entries: 0, nodes: 0 }
    const tree = await client
      .sync(url, {
        signal,
        known: reading.known,
        onEntry: ({ hash, text, entry, pending }) => {
          progress.entries += 1
          if (entry.kind === 'node') progress.nodes += 1
          reading.take(hash, text)
          onProgress({ ...progress, pending })
        },
      })
      .catch((cause: unknown) => interrupted(signal, reading.known.size, cause))
    if (reading.known.size > before) tries = 1
    if (!isFault(tree) || !isPassing(tree) || tries >= TRIES) return tree
    await sleep(clock, RETRY_MS * tries, signal).catch((cause: unknown) => interrupted(signal, reading.known.size, cause))
  }
}

function isPassing({ fault }: Fault): boolean {
  return fault === 'dns-discovery/lookup-failed' || fault === 'dns-discovery/no-entry'
}

function interrupted(signal: AbortSignal, entries: number, cause: unknown): never {
  if (!signal.aborted) throw cause
  throw new KumikoError('node/sync-interrupted', `stopped with ${entries} entries read, which are kept: run it again to go on`, { cause })
}

function failed({ fault, detail }: Fault, entries: number): KumikoError {
  const kept = entries === 0 ? '' : `; ${entries} entries are kept: run it again to go on`
  const isUnreached = entries === 0 && fault === 'dns-discovery/lookup-failed'
  const mend = isUnreached ? '; see that the domain is right and DNS can be reached, or name a server with --dns-server' : kept
  return new KumikoError('node/sync-failed', `cannot read the tree (${fault}): ${detail}${mend}`, { context: { fault } })
}

/** The info last: what it tells of is there. */
async function write(folder: TreeFolder, tree: VerifiedTree, { text: url, domain }: TreeUrl, now: Millis): Promise<void> {
  const set = await NodeSet.open(folder.nodesPath)
  const left = new Set(Array.from(set.entries(), ({ node }) => node.nodeId))
  for (const node of tree.records) {
    const known = set.get(node.nodeId)
    left.delete(node.nodeId)
    set.put({ firstSeen: now, score: 0, ...known, lastSeen: now, node })
  }
  for (const id of left) set.delete(id)
  await set.save()
  await writeJsonFile(folder.zonePath, Object.fromEntries(toZone(tree, domain)))
  await writeTreeInfo(folder, { url, seq: tree.seq, links: tree.urls.map(({ text }) => text) })
}
