import { encodeRlp, nodeFromEnr, parseIp, signEnr } from '@kumiko/identity'
import type { NodeRecord } from '@kumiko/interface'
import { makeTree, type SignedTree, signTree, toZone, urlOf } from '../src/tree.ts'

/** A secret key that is the same each time. @param index - 1 to 65535. */
export function secretKey(index: number): Uint8Array {
  const key = new Uint8Array(32)
  key[30] = index >> 8
  key[31] = index & 0xff
  return key
}

/** So many nodes with an endpoint each, none of them on a network of anyone. @param from - The first one's number. */
export function makeNodes(count: number, from = 1): NodeRecord[] {
  return Array.from({ length: count }, (_, i) => {
    const ip = parseIp(`127.1.${(from + i) >> 8}.${(from + i) & 0xff}`)!
    return nodeFromEnr(signEnr(secretKey(from + i), 1n, { ip: encodeRlp(ip), tcp: encodeRlp(30303), udp: encodeRlp(30303) }))
  })
}

/** A tree that is published, in a test, at a domain. */
export interface Published {
  readonly tree: SignedTree
  readonly url: string
  readonly zone: Map<string, string>
}

/** Makes and signs a tree. */
export function publish(domain: string, nodes: readonly NodeRecord[], links: readonly string[] = [], seq = 1n, key = 60_000): Published {
  const tree = signTree(makeTree(nodes, links, seq), secretKey(key))
  return { tree, url: urlOf(tree, domain), zone: toZone(tree, domain) }
}

/** A resolver that knows what is in a map and nothing else; counts what it is asked. */
export class Zones {
  readonly texts = new Map<string, string>()
  readonly asked: string[] = []

  constructor(...published: readonly Pick<Published, 'zone'>[]) {
    this.put(...published)
  }

  put(...published: readonly Pick<Published, 'zone'>[]): void {
    for (const { zone } of published) for (const [name, text] of zone) this.texts.set(name, text)
  }

  readonly resolve = async (name: string): Promise<string[][]> => {
    this.asked.push(name)
    const text = this.texts.get(name)
    if (text === 'fail') throw new Error('SERVFAIL')
    return text === undefined ? [] : [['v=spf1 -all'], text.match(/.{1,255}/g) ?? []]
  }
}
