import type { Discv4 } from '@kumiko/discv4'
import type { Discv5 } from '@kumiko/discv5'
import type { NodeRecord } from '@kumiko/interface'
import type { Inquiry } from './crawl.ts'

/** Random targets that a node is asked for by discv4: it tells 16 nodes for each. */
const TARGETS = 4

/** What a node is asked for by discv5: nearly all of a table is at these distances, three of which are answered by 16 nodes each. */
const DISTANCES: readonly (readonly number[])[] = [
  [256, 255, 254],
  [253, 252, 251],
  [250, 249, 248],
]

/** Asks by discv4: a ping, the record where there is a newer one, and neighbours of random targets. */
export function inquiryV4(v4: Discv4): Inquiry {
  return {
    name: v4.name,
    check: (node, signal) =>
      silenced(async () => {
        const pong = await v4.ping(node, { signal })
        if (pong === undefined) return undefined
        return (pong.enrSeq ?? 0n) > node.seq ? ((await v4.requestEnr(node, { signal })) ?? node) : node
      }),
    neighbours: (node, signal) =>
      silenced(async () => {
        const found: NodeRecord[] = []
        for (let i = 0; i < TARGETS; i++) {
          found.push(...((await v4.findNode(node, crypto.getRandomValues(new Uint8Array(64)), { signal })) ?? []))
        }
        return found
      }),
  }
}

/** Asks by discv5: the record, and all of its table. */
export function inquiryV5(v5: Discv5): Inquiry {
  return {
    name: v5.name,
    check: (node, signal) => silenced(async () => await v5.requestEnr(node, { signal })),
    neighbours: (node, signal) =>
      silenced(async () => {
        const found: NodeRecord[] = []
        for (const distances of DISTANCES) found.push(...((await v5.findNode(node, distances, { signal })) ?? []))
        return found
      }),
  }
}

/** A node that cannot be asked does not answer: it has no endpoint of a family that we serve, or we are stopping. */
async function silenced<T>(ask: () => Promise<T | undefined>): Promise<T | undefined> {
  try {
    return await ask()
  } catch {
    return undefined
  }
}
