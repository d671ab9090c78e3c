import { curve, enrOf } from '@kumiko/identity'
import { type Fault, isFault, KumikoError, type NodeRecord } from '@kumiko/interface'
import { type Entry, entryHash, formatEntry, matchesHash, parseEntry } from './entry.ts'
import { formatRoot, isSignedBy, parseRoot, type Root, type RootContent, SEQ_MAX, signRoot } from './root.ts'
import { parseTreeUrl, type TreeUrl, treeUrl } from './tree-url.ts'

/** A branch of 13 hashes of 26 characters fits into the 370 bytes that go-ethereum allows for it, and so into one UDP packet. */
const CHILDREN_MAX = 13

/** A tree as it is made, before it is signed. */
export interface Tree extends RootContent {
  /** The text of each entry below the root, by its hash. */
  readonly entries: ReadonlyMap<string, string>
}

/** A tree that can be published. */
export interface SignedTree extends Tree {
  readonly root: Root
  /** Compressed, 33 bytes. */
  readonly publicKey: Uint8Array
}

/**
 * Makes a tree, as go-ethereum does: nodes in the order of their ids, 13 children a branch.
 *
 * @param nodes - Each with an ENR. Of several records of one node the newest is taken.
 * @param links - `enrtree://…` of other trees; repeats are left out.
 * @param seq - 0 to 2^64 − 1; greater than that of the tree published before.
 * @throws KumikoError `dns-discovery/no-record`, `dns-discovery/bad-url`, `dns-discovery/bad-seq`.
 */
export function makeTree(nodes: Iterable<NodeRecord>, links: Iterable<string>, seq: bigint): Tree {
  if (seq < 0n || seq > SEQ_MAX) throw new KumikoError('dns-discovery/bad-seq', `a tree's sequence number is within 0–2^64 − 1, not ${seq}`)
  const entries = new Map<string, string>()
  const leaves = newestById(nodes).map((node) => formatEntry({ kind: 'node', node }))
  const urls = new Set(Array.from(links, (link) => readTreeUrl(link).text))
  return { entries, seq, nodes: build(leaves, entries), links: build([...urls], entries) }
}

/** Signs a tree. @throws KumikoError `dns-discovery/bad-secret-key`. */
export function signTree(tree: Tree, secretKey: Uint8Array): SignedTree {
  if (!curve.isSecretKey(secretKey)) {
    throw new KumikoError('dns-discovery/bad-secret-key', 'bad secret key: want 32 bytes, a secp256k1 key')
  }
  const { entries, nodes, links, seq } = tree
  const publicKey = curve.compress(curve.publicKey(secretKey))
  return { entries, nodes, links, seq, publicKey, root: signRoot(tree, secretKey) }
}

/** The URL under which a tree is found at a domain. @throws KumikoError `dns-discovery/bad-url`. */
export function urlOf({ publicKey }: Pick<SignedTree, 'publicKey'>, domain: string): string {
  return readTreeUrl(treeUrl(publicKey, domain).text).text
}

/**
 * The TXT records to publish, text by name, the root first. DNS holds a text as strings of at most 255 bytes: cut longer ones.
 *
 * @throws KumikoError `dns-discovery/bad-url`.
 */
export function toZone(tree: SignedTree, domain: string): Map<string, string> {
  const name = readTreeUrl(urlOf(tree, domain)).domain
  const zone = new Map([[name, formatRoot(tree.root)]])
  for (const [hash, text] of tree.entries) zone.set(`${hash}.${name}`, text)
  return zone
}

/**
 * Verifies a whole tree: the root's signature, each entry against its hash, nodes where nodes belong and links where links do. Names that the
 * tree does not reach are passed over.
 *
 * @param zone - Text by name, as {@link toZone} gives it.
 * @returns The tree with its nodes and links, or the fault of the first thing that is wrong; `detail` begins with the name.
 */
export function verifyZone(zone: ReadonlyMap<string, string>, url: TreeUrl): VerifiedTree | Fault {
  const root = rootIn(zone.get(url.domain), url)
  if (isFault(root)) return root
  const found: Found = { entries: new Map(), nodes: [], links: [] }
  for (const [kind, hash] of [
    ['link', root.links],
    ['node', root.nodes],
  ] as const) {
    const fault = collect(zone, url.domain, kind, hash, found)
    if (fault !== undefined) return fault
  }
  const { seq, nodes, links } = root
  return { seq, nodes, links, root, publicKey: url.publicKey, entries: found.entries, records: found.nodes, urls: found.links }
}

/** A tree that holds what it should, and what that is. */
export interface VerifiedTree extends SignedTree {
  readonly records: readonly NodeRecord[]
  readonly urls: readonly TreeUrl[]
}

/** @throws KumikoError `dns-discovery/bad-url`. */
export function readTreeUrl(text: string): TreeUrl {
  const url = parseTreeUrl(text)
  if (!isFault(url)) return url
  const shown = text.slice(0, 200)
  throw new KumikoError('dns-discovery/bad-url', `bad tree URL "${shown}": ${url.detail}; want enrtree://<key>@<domain>`, {
    context: { url: shown },
  })
}

/** Reads a root and verifies it. @returns `bad-root`, `bad-signature` or `no-root` where it cannot be used. */
export function rootIn(text: string | undefined, { publicKey, domain }: TreeUrl): Root | Fault {
  if (text === undefined) return { fault: 'dns-discovery/no-root', detail: domain }
  const root = parseRoot(text)
  if (isFault(root)) return { fault: root.fault, detail: `${domain}: ${root.detail}` }
  return isSignedBy(root, publicKey) ? root : { fault: 'dns-discovery/bad-signature', detail: domain }
}

/** Reads an entry and verifies it. @returns A fault of `parseEntry`, `hash-mismatch` or `no-entry` where it cannot be used. */
export function entryIn(text: string | undefined, hash: string, domain: string): Entry | Fault {
  const name = `${hash}.${domain}`
  if (text === undefined) return { fault: 'dns-discovery/no-entry', detail: name }
  if (!matchesHash(text, hash)) return { fault: 'dns-discovery/hash-mismatch', detail: name }
  const entry = parseEntry(text)
  return isFault(entry) ? { fault: entry.fault, detail: `${name}: ${entry.detail}`.slice(0, 200) } : entry
}

/** The fault of an entry that is in the wrong half of the tree, or undefined. */
export function misplaced(entry: Entry, kind: 'node' | 'link', hash: string): Fault | undefined {
  if (entry.kind === 'branch' || entry.kind === kind) return undefined
  return { fault: 'dns-discovery/misplaced-entry', detail: `${hash}: a ${entry.kind} among the ${kind}s` }
}

interface Found {
  readonly entries: Map<string, string>
  readonly nodes: NodeRecord[]
  readonly links: TreeUrl[]
}

/** Walks one half of a tree. Each hash is visited once, so it ends. */
function collect(zone: ReadonlyMap<string, string>, domain: string, kind: 'node' | 'link', top: string, found: Found): Fault | undefined {
  const pending = [top]
  for (let hash = pending.pop(); hash !== undefined; hash = pending.pop()) {
    const text = zone.get(`${hash}.${domain}`)
    const entry = entryIn(text, hash, domain)
    if (isFault(entry)) return entry
    const fault = misplaced(entry, kind, hash)
    if (fault !== undefined) return fault
    if (found.entries.has(hash)) continue
    found.entries.set(hash, text ?? '')
    if (entry.kind === 'branch') pending.push(...entry.children.toReversed())
    else if (entry.kind === 'link') found.links.push(entry.url)
    else found.nodes.push(entry.node)
  }
  return undefined
}

/** Puts a list of texts under one entry. @returns Its hash. */
function build(texts: readonly string[], entries: Map<string, string>): string {
  const hashes = texts.map((text) => put(text, entries))
  const [only] = hashes
  if (hashes.length === 1 && only !== undefined) return only
  if (hashes.length <= CHILDREN_MAX) return put(formatEntry({ kind: 'branch', children: hashes }), entries)
  const groups = Array.from({ length: Math.ceil(texts.length / CHILDREN_MAX) }, (_, i) => i * CHILDREN_MAX)
  const branches = groups.map((from) => {
    const children = hashes.slice(from, from + CHILDREN_MAX)
    return children.length === 1 ? (texts[from] ?? '') : formatEntry({ kind: 'branch', children })
  })
  return build(branches, entries)
}

function put(text: string, entries: Map<string, string>): string {
  const hash = entryHash(text)
  entries.set(hash, text)
  return hash
}

function newestById(nodes: Iterable<NodeRecord>): NodeRecord[] {
  const newest = new Map<string, NodeRecord>()
  for (const node of nodes) {
    if (enrOf(node) === undefined) {
      throw new KumikoError('dns-discovery/no-record', `node ${node.nodeId} has no ENR: a tree holds signed records only`, {
        context: { nodeId: node.nodeId },
      })
    }
    if (node.seq >= (newest.get(node.nodeId)?.seq ?? 0n)) newest.set(node.nodeId, node)
  }
  return [...newest.values()].sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1))
}
