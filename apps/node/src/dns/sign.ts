import { stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { formatZoneFile, makeTree, parseEntry, readTreeUrl, signTree, toZone, urlOf, verifyZone } from '@kumiko/dns-discovery'
import { curve, enrTextOf } from '@kumiko/identity'
import { isFault, KumikoError, type NodeRecord } from '@kumiko/interface'
import { writeJsonFile, writeWholeFile } from '../json-file.ts'
import { NodeSet } from '../node-set.ts'
import { openTreeFolder, writeTreeInfo } from './tree-folder.ts'

/** What {@link signNodes} is to do. */
export interface SignOptions {
  /** A node set, or a folder with one in `nodes.json`. */
  readonly nodes: string
  readonly secretKey: Uint8Array
  readonly domain: string
  /** Default: one more than that of the tree in `out`, or 1. */
  readonly seq?: bigint
  /** `enrtree://…`. Default: those of the tree in `out`, or none. */
  readonly links?: readonly string[]
  /** A folder. Default: where the nodes are. */
  readonly out?: string
  /** Whether a file for a name server is written, too. */
  readonly isZoneWanted: boolean
}

/** What became of it. */
export interface SignReport {
  readonly url: string
  readonly seq: bigint
  readonly nodes: number
  readonly links: readonly string[]
  /** TXT records, root included. */
  readonly records: number
  /** Where the records are, as JSON: TXT content by name. */
  readonly zone: string
  /** Where they are for a name server. */
  readonly zoneFile?: string
}

/**
 * Makes a tree of nodes, signs it and writes its zone.
 *
 * @throws KumikoError `node/unsuitable-nodes` where a node cannot be in a tree, `node/old-seq`, `node/nothing-to-sign`, `node/other-tree`,
 * `dns-discovery/bad-url`; of the files, as `readJsonFile` and `writeJsonFile`.
 */
export async function signNodes(options: SignOptions): Promise<SignReport> {
  const { domain, secretKey } = options
  const url = urlOf({ publicKey: curve.compress(curve.publicKey(secretKey)) }, domain)
  const path = (await isFolder(options.nodes)) ? join(options.nodes, 'nodes.json') : options.nodes
  const records = Array.from((await NodeSet.load(path)).entries(), ({ node }) => node)
  checkNodes(path, records)
  const folder = await openTreeFolder(options.out ?? dirname(path), url)
  const links = options.links ?? folder.info?.links ?? []
  if (records.length + links.length === 0) throw new KumikoError('node/nothing-to-sign', `"${path}" holds no nodes, and there are no links`)
  const seq = seqOf(options.seq, folder.info?.seq)

  const tree = signTree(makeTree(records, links, seq), secretKey)
  const zone = toZone(tree, domain)
  const verified = verifyZone(zone, readTreeUrl(url))
  if (isFault(verified)) throw new KumikoError('node/unsuitable-nodes', `"${path}": ${verified.detail} (${verified.fault})`)
  const zoneFile = options.isZoneWanted ? join(folder.path, `${readTreeUrl(url).domain}.zone`) : undefined
  if (zoneFile !== undefined) await writeWholeFile(zoneFile, formatZoneFile(zone))
  await writeJsonFile(folder.zonePath, Object.fromEntries(zone))
  const linked = verified.urls.map(({ text }) => text)
  await writeTreeInfo(folder, { url, seq, links: linked })
  const report = { url, seq, nodes: verified.records.length, links: linked, records: zone.size, zone: folder.zonePath }
  return zoneFile === undefined ? report : { ...report, zoneFile }
}

async function isFolder(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
}

/** Clients do not go back to an older tree. */
function seqOf(wanted: bigint | undefined, before: bigint | undefined): bigint {
  const seq = wanted ?? (before ?? 0n) + 1n
  if (seq >= (before ?? 0n)) return seq
  throw new KumikoError('node/old-seq', `--seq ${seq} is less than that of the tree before, ${before}: clients would not take it`)
}

/** Nodes that are told of by name; the others are counted. */
const SHOWN = 3

function checkNodes(path: string, nodes: readonly NodeRecord[]): void {
  const faults = nodes.flatMap((node) => {
    const why = unsuitable(node)
    return why === undefined ? [] : [`node ${node.nodeId}: ${why}`]
  })
  if (faults.length === 0) return
  const more = faults.length > SHOWN ? `; and ${faults.length - SHOWN} more` : ''
  const message = `"${path}": what cannot be in a tree: ${faults.slice(0, SHOWN).join('; ')}${more}`
  throw new KumikoError('node/unsuitable-nodes', message, { context: { path, count: faults.length } })
}

function unsuitable(node: NodeRecord): string | undefined {
  const text = enrTextOf(node)
  if (text === undefined) return 'it has no record signed by itself, only an enode URL'
  const entry = parseEntry(text)
  if (isFault(entry)) return entry.detail ?? entry.fault
  return node.endpoints.length === 0 ? 'its record has no address' : undefined
}
