import { join } from 'node:path'
import { readTreeUrl } from '@kumiko/dns-discovery'
import { KumikoError } from '@kumiko/interface'
import { badFile, isJsonObject, readJsonFile, writeJsonFile } from '../json-file.ts'

/** What is known of a tree besides its nodes. */
export interface TreeInfo {
  readonly url: string
  /** Undefined where it was never read to the end. */
  readonly seq?: bigint
  /** URLs of other trees. */
  readonly links: readonly string[]
}

/** A folder that holds one tree. */
export interface TreeFolder {
  readonly path: string
  /** What it holds already. */
  readonly info?: TreeInfo
  /** A node set: the tree's nodes. */
  readonly nodesPath: string
  /** TXT content by name, the root first. */
  readonly zonePath: string
  /** The same, of what was read before an interruption. */
  readonly partialPath: string
}

/**
 * A folder for a tree, which may not be there yet.
 *
 * @param url - A valid one.
 * @throws KumikoError `node/other-tree` where it holds another tree; as `readJsonFile`.
 */
export async function openTreeFolder(path: string, url: string): Promise<TreeFolder> {
  const info = await readInfo(join(path, 'tree.json'))
  if (info !== undefined && info.url !== url) {
    throw new KumikoError('node/other-tree', `folder "${path}" holds the tree ${info.url}: choose another folder`, { context: { path } })
  }
  return {
    path,
    nodesPath: join(path, 'nodes.json'),
    zonePath: join(path, 'zone.json'),
    partialPath: join(path, 'partial.json'),
    ...(info === undefined ? {} : { info }),
  }
}

/** @throws KumikoError `node/unwritable-file`. */
export async function writeTreeInfo({ path }: TreeFolder, { url, seq, links }: TreeInfo): Promise<void> {
  await writeJsonFile(join(path, 'tree.json'), { url, ...(seq === undefined ? {} : { seq: seq.toString() }), links })
}

/** TXT content by name; nothing where there is no file. Not verified. @throws KumikoError as `readJsonFile`. */
export async function readZone(path: string): Promise<Map<string, string>> {
  const file = await readJsonFile(path)
  if (file === undefined) return new Map()
  const isZone = isJsonObject(file.value) && Object.values(file.value).every((text) => typeof text === 'string')
  if (!isZone) throw badFile(file.placeOf(0), 'not a zone: want an object with the text of each name', { path })
  return new Map(Object.entries(file.value as Readonly<Record<string, string>>))
}

async function readInfo(path: string): Promise<TreeInfo | undefined> {
  const file = await readJsonFile(path)
  if (file === undefined) return undefined
  const { url, seq, links } = isJsonObject(file.value) ? file.value : {}
  const isSeq = seq === undefined || (typeof seq === 'string' && /^\d{1,20}$/.test(seq))
  if (typeof url !== 'string' || !isSeq || !Array.isArray(links) || !links.every((link) => typeof link === 'string')) {
    throw badFile(file.placeOf(0), 'want "url", "links" and where it is known "seq"', { path })
  }
  return { url: readTreeUrl(url).text, links, ...(typeof seq === 'string' ? { seq: BigInt(seq) } : {}) }
}
