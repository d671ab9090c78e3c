import { readFileSync } from 'node:fs'
import { curve, decodeEnrText, enrTextOf, fromHex, nodeFromEnr, toHex } from '@kumiko/identity'
import { isFault, type NodeRecord } from '@kumiko/interface'
import { describe, expect, it } from 'vitest'
import { formatEntry, matchesHash, parseEntry } from './entry.ts'
import { formatRoot, isSignedBy, parseRoot } from './root.ts'
import { makeTree, readTreeUrl, signTree, toZone, urlOf, verifyZone } from './tree.ts'

interface Vectors {
  readonly signingKey: string
  readonly url: string
  readonly zone: Readonly<Record<string, string>>
  readonly want: { readonly seq: number; readonly nodes: number; readonly links: readonly string[] }
  readonly specZonePublicKey: string
  readonly badZone: { readonly zone: Readonly<Record<string, string>>; readonly wantError: string }
  readonly roots: readonly RootVector[]
  readonly entries: readonly EntryVector[]
  readonly liveRootSample: { readonly publicKeyBase32: string; readonly root: string; readonly badSig: string }
}

interface RootVector {
  readonly input: string
  readonly ok?: { readonly eroot: string; readonly lroot: string; readonly seq: number; readonly sig: string }
}

interface EntryVector {
  readonly input: string
  readonly ok?: { readonly branch?: readonly string[]; readonly link?: string }
}

const vectors = JSON.parse(readFileSync(new URL('../vectors/dns-tree.json', import.meta.url), 'utf8')) as Vectors
const signingKey = fromHex(vectors.signingKey)!
const url = readTreeUrl(vectors.url)
const zone = new Map(Object.entries(vectors.zone))

function nodesOf(records: Iterable<string>): NodeRecord[] {
  return [...records].map((text) => {
    const enr = decodeEnrText(text)
    if (isFault(enr)) throw new Error(enr.detail)
    return nodeFromEnr(enr)
  })
}

describe('ParseRoot', () => {
  it.each(vectors.roots)('$input', ({ input, ok }) => {
    const root = parseRoot(input)
    if (ok === undefined) expect(root).toMatchObject({ fault: 'dns-discovery/bad-root' })
    else {
      if (isFault(root)) throw new Error(root.detail)
      expect({ ...root, signature: toHex(root.signature) }).toEqual({
        nodes: ok.eroot,
        links: ok.lroot,
        seq: BigInt(ok.seq),
        signature: ok.sig,
      })
      expect(formatRoot(root)).toBe(input)
    }
  })

  it('verifies a root that is live, and not the same with another signature', () => {
    const { publicKeyBase32, root, badSig } = vectors.liveRootSample
    const { publicKey } = readTreeUrl(`enrtree://${publicKeyBase32}@n`)
    expect([root, badSig].map(parseRoot).map((parsed) => !isFault(parsed) && isSignedBy(parsed, publicKey))).toEqual([true, false])
  })
})

describe('ParseEntry', () => {
  it.each(vectors.entries)('$input', ({ input, ok }) => {
    const entry = parseEntry(input)
    if (ok === undefined) {
      expect(isFault(entry)).toBe(true)
      return
    }
    if (isFault(entry)) throw new Error(entry.detail)
    if (entry.kind === 'branch') expect(entry.children).toEqual(ok.branch)
    else expect(entry.kind === 'link' && entry.url.domain).toBe(ok.link)
    expect(formatEntry(entry)).toBe(input)
  })

  it.each(Object.entries(vectors.zone).slice(1))('%s, against its hash and byte for byte', (name, text) => {
    expect(matchesHash(text, name.slice(0, -2))).toBe(true)
    const entry = parseEntry(text)
    expect(isFault(entry) || formatEntry(entry)).toBe(text)
  })
})

describe('MakeTree', () => {
  it('makes and signs the zone of the vectors, byte for byte, whatever the order of the nodes', () => {
    const nodes = nodesOf(Object.values(vectors.zone).filter((text) => text.startsWith('enr:')))
    for (const order of [nodes, nodes.toReversed(), [...nodes, ...nodes]]) {
      const tree = signTree(makeTree(order, vectors.want.links, BigInt(vectors.want.seq)), signingKey)
      expect(toZone(tree, url.domain)).toEqual(zone)
      expect(urlOf(tree, 'n')).toBe(vectors.url)
    }
  })

  it('verifies the zone, and finds what is in it', () => {
    const tree = verifyZone(zone, url)
    if (isFault(tree)) throw new Error(tree.detail)
    expect([Number(tree.seq), tree.records.length]).toEqual([vectors.want.seq, vectors.want.nodes])
    expect(tree.urls.map(({ text }) => text)).toEqual(vectors.want.links)
    expect(tree.records.map(enrTextOf)).toEqual(Object.values(vectors.zone).filter((text) => text.startsWith('enr:')))
    expect(toZone(tree, 'n')).toEqual(zone)
  })

  it('names the key of the zone as the specification does', () => {
    const keys = [curve.expand(url.publicKey)!, curve.publicKey(signingKey)]
    expect(keys.map((key) => `04${toHex(key)}`)).toEqual([vectors.specZonePublicKey, vectors.specZonePublicKey])
  })

  it('refuses the bad zone for the same entry', () => {
    const [name] = Object.keys(vectors.badZone.zone).slice(2)
    expect(verifyZone(new Map(Object.entries(vectors.badZone.zone)), url)).toMatchObject({
      fault: 'dns-discovery/bad-enr',
      detail: expect.stringContaining(name!),
    })
    expect(vectors.badZone.wantError).toContain(name)
  })

  it('refuses the zone once any of its records is another', () => {
    for (const [name, text] of zone) {
      const tampered = new Map(zone).set(name, text.replace(/.{5}$/, 'AAAAA'))
      expect(verifyZone(tampered, url)).toMatchObject({
        fault: expect.stringMatching(name === 'n' ? /bad-root|bad-signature/ : /hash-mismatch/),
      })
      const missing = new Map(zone)
      missing.delete(name)
      expect(verifyZone(missing, url)).toMatchObject({ fault: expect.stringMatching(/no-root|no-entry/) })
    }
  })
})
