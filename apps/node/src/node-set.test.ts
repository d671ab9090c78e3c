import { chmod, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { encodeRlp, nodeFromEnr, nodeFromParts, signEnr } from '@kumiko/identity'
import type { NodeRecord } from '@kumiko/interface'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../test/cli.ts'
import { NODE_SET_MAX, NodeSet } from './node-set.ts'

function nodeOf(index: number, seq = 1n): NodeRecord {
  return nodeFromEnr(signEnr(new Uint8Array(32).fill(index), seq, { udp: encodeRlp(30303) }))
}

const NOW = Date.UTC(2026, 0, 31, 12)

test('a set is the same after it was saved and opened, whatever the order of its nodes', async () => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'deep', 'nodes.json')
  const { publicKey } = nodeOf(4)
  const entries = [
    { node: nodeOf(1, 2n ** 64n - 1n), firstSeen: NOW, lastSeen: NOW + 1, lastCheck: NOW + 2, score: 7 },
    { node: nodeOf(2), firstSeen: NOW, score: -3 },
    { node: nodeFromParts({ publicKey, endpoints: [{ host: '10.0.0.1', tcp: 30303, udp: 30301 }] }), score: 0 },
  ]
  const texts: string[] = []
  for (const order of [entries, entries.toReversed()]) {
    const set = await NodeSet.open(join(folder.path, `${texts.length}`, 'nodes.json'))
    for (const entry of order) expect(set.put(entry)).toBe(true)
    await set.save()
    texts.push(await readFile(set.path, 'utf8'))
  }
  expect(texts[0]).toBe(texts[1])
  await expect(NodeSet.load(path)).rejects.toMatchObject({ code: 'node/no-node-set' })
  const opened = await NodeSet.load(join(folder.path, '0', 'nodes.json'))
  expect(opened.size).toBe(3)
  for (const entry of entries) expect({ ...opened.get(entry.node.nodeId), node: undefined }).toEqual({ ...entry, node: undefined })
  expect([...opened.entries()].map(({ node }) => node.seq).sort()).toEqual([0n, 1n, 2n ** 64n - 1n])
  const ids = Object.keys(JSON.parse(texts[0] ?? '') as object)
  expect(ids).toEqual(ids.toSorted())
})

test('a save replaces the file in one step, and leaves nothing beside it', async () => {
  await using folder = await temporaryFolder()
  const set = await NodeSet.open(join(folder.path, 'nodes.json'))
  set.put({ node: nodeOf(1), score: 0 })
  await set.save()
  set.delete(nodeOf(1).nodeId)
  set.put({ node: nodeOf(2), score: 0 })
  await set.save()
  expect(await readdir(folder.path)).toEqual(['nodes.json'])
  const opened = await NodeSet.load(set.path)
  expect([opened.size, opened.get(nodeOf(2).nodeId)?.node.nodeId]).toEqual([1, nodeOf(2).nodeId])
  // What is unchanged is not written again.
  await writeFile(set.path, '{}')
  await set.save()
  expect(await readFile(set.path, 'utf8')).toBe('{}')
  if (process.platform === 'win32' || process.getuid?.() === 0) return
  set.delete(nodeOf(2).nodeId)
  await chmod(folder.path, 0o500)
  await expect(set.save()).rejects.toMatchObject({ code: 'node/unwritable-file', message: expect.stringContaining('(EACCES)') })
  await chmod(folder.path, 0o700)
  await set.save()
})

const [one, other] = [nodeOf(1), nodeOf(2)]
const written = async (node: NodeRecord): Promise<string> => {
  await using folder = await temporaryFolder()
  const set = await NodeSet.open(join(folder.path, 'nodes.json'))
  set.put({ node, firstSeen: NOW, score: 0 })
  await set.save()
  return (await readFile(set.path, 'utf8')).trim()
}
const good = await written(one)

const BROKEN: readonly (readonly [string, string, RegExp])[] = [
  ['half a file', good.slice(0, 100), /:3:15: not valid JSON;/],
  ['most of a file', good.slice(0, -1), /:8:1: not valid JSON: it ends too early/],
  ['a comma too many', good.replace('"score": 0', '"score": 0,'), /:7:3: not valid JSON;/],
  ['nothing', '', /:1:1: not valid JSON: it ends too early/],
  ['a list', '[]', /:1:1: not a node set: want an object/],
  ['a node that is there twice', `${good.slice(0, -2)},\n${good.slice(2)}`, new RegExp(`:8:3: node ${one.nodeId} is there twice`)],
  ['no id', good.replace(one.nodeId, 'x'), /:2:3: node x: no node id: want 64 hex digits/],
  ["another node's id", good.replace(one.nodeId, other.nodeId), /:2:3: node .*: "record": it is of node/],
  [
    'a record whose signature does not hold',
    good.replace(/enr:.{12}/, (text) => `${text.slice(0, -1)}A`),
    /:2:3: node .*: "record": bad ENR/,
  ],
  ['no record', good.replace('"record"', '"enr"'), /unknown "enr"/],
  ['another sequence number', good.replace('"seq": "1"', '"seq": "2"'), /"seq": want "1", as the record says/],
  ['a time that is none', good.replace('2026-01-31', '2026-01-32'), /"firstSeen": want a time as/],
  ['half a score', good.replace('"score": 0', '"score": 0.5'), /"score": want a whole number/],
  ['an unknown key', good.replace('"score": 0', '"scoer": 0'), /unknown "scoer"/],
]

test.each(BROKEN)('%s is told with line and column, and kept', async (_, text, message) => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'nodes.json')
  await writeFile(path, text)
  for (const open of [NodeSet.open, NodeSet.load]) {
    await expect(open(path)).rejects.toMatchObject({ code: 'node/bad-file', message: expect.stringMatching(message) })
  }
  expect(await readFile(path, 'utf8')).toBe(text)
})

test('a folder and a file that cannot be read are told of', async () => {
  await using folder = await temporaryFolder()
  await expect(NodeSet.open(folder.path)).rejects.toMatchObject({ code: 'node/unreadable-file' })
})

test('a full set takes no more nodes, but newer entries of those it holds', async () => {
  const set = await NodeSet.open('nowhere.json')
  const shape = nodeOf(1)
  const entryOf = (index: number) => ({
    node: Object.create(shape, { nodeId: { value: index.toString(16).padStart(64, '0') } }) as NodeRecord,
    score: 0,
  })
  for (let i = 0; i < NODE_SET_MAX; i++) set.put(entryOf(i))
  expect([set.put(entryOf(NODE_SET_MAX)), set.put({ ...entryOf(5), score: 1 }), set.size]).toEqual([false, true, NODE_SET_MAX])
  expect(set.get(entryOf(5).node.nodeId)?.score).toBe(1)
})
