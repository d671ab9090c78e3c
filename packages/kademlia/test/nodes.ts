import type { NodeEndpoint, NodeId, NodeRecord } from '@kumiko/interface'
import type { Seeded } from '@kumiko/testkit'

/** A node without a key: the table never looks at it. */
class KeylessNode implements NodeRecord {
  readonly nodeId: NodeId
  readonly endpoints: readonly NodeEndpoint[]
  readonly seq: bigint
  readonly publicKey = new Uint8Array(33)
  readonly addresses = []

  constructor(nodeId: NodeId, endpoints: readonly NodeEndpoint[], seq: bigint) {
    this.nodeId = nodeId
    this.endpoints = endpoints
    this.seq = seq
  }

  get peerId(): never {
    throw new Error('a node without a key has no PeerId')
  }

  entry(): undefined {
    return undefined
  }
}

export interface NodeShape {
  readonly host?: string
  readonly udp?: number
  readonly seq?: bigint
}

/** @param shape - Default: on loopback, where networks are not limited, without a record. */
export function node(nodeId: NodeId, { host = '127.0.0.1', udp = 30303, seq = 0n }: NodeShape = {}): NodeRecord {
  return new KeylessNode(nodeId, [{ host, udp }], seq)
}

/** 32 random bytes, in hex. */
export function randomId({ bytes }: Pick<Seeded, 'bytes'>): NodeId {
  return Buffer.from(bytes(32)).toString('hex')
}

/** A random id whose distance from `base` is `distance`: 1–256. */
export function idAt(base: NodeId, distance: number, random: Pick<Seeded, 'bytes'>): NodeId {
  const lower = (1n << BigInt(distance - 1)) - 1n
  const noise = BigInt(`0x${randomId(random)}`) & lower
  return (BigInt(`0x${base}`) ^ (lower + 1n) ^ noise).toString(16).padStart(64, '0')
}
