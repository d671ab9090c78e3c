import { checkRelayIp, enrOf } from '@kumiko/identity'
import type { NodeRecord } from '@kumiko/interface'
import type { EndpointOf } from '@kumiko/kademlia'
import { NODES_RESULT_MAX, NODES_TOTAL_MAX } from './found-nodes.ts'
import type { NodesBody } from './message.ts'
import { messageSizeMax } from './packet.ts'

/** NODES: type, request id, total and the heads of two lists. */
const NODES_HEAD_MAX_BYTES = 1 + 3 + 9 + 2 + 3

/** What a packet has room for. */
const RECORDS_MAX_BYTES = messageSizeMax() - NODES_HEAD_MAX_BYTES

/**
 * NODES, in as many messages as it takes: at least one, at most {@link NODES_TOTAL_MAX}.
 *
 * @param nodes - At most {@link NODES_RESULT_MAX} are told of, and of those only the ones that have an ENR.
 */
export function nodesBodies(nodes: readonly NodeRecord[]): NodesBody[] {
  const pages: Uint8Array[][] = [[]]
  let roomBytes = RECORDS_MAX_BYTES
  for (const node of nodes.slice(0, NODES_RESULT_MAX)) {
    const record = enrOf(node)?.bytes
    if (record === undefined) continue
    if (record.length > roomBytes) {
      if (pages.length === NODES_TOTAL_MAX) break
      pages.push([])
      roomBytes = RECORDS_MAX_BYTES
    }
    pages.at(-1)?.push(record)
    roomBytes -= record.length
  }
  return pages.map((records) => ({ type: 'nodes', total: pages.length, records }))
}

/**
 * Those of some nodes that an asker may be told of, no more than it is told: nobody is told of nodes that they could not reach, or should not.
 *
 * @param asker - Its IP address.
 */
export function tellable(nodes: readonly NodeRecord[], asker: string, endpointOf: EndpointOf): NodeRecord[] {
  const told: NodeRecord[] = []
  for (const node of nodes) {
    if (told.length >= NODES_RESULT_MAX) break
    const endpoint = endpointOf(node)
    if (endpoint !== undefined && checkRelayIp(asker, endpoint.host) === undefined) told.push(node)
  }
  return told
}
