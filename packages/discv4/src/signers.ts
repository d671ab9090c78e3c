import { nodeIdOf } from '@kumiko/identity'
import { BoundedMap, type NodeId, type UdpEndpoint } from '@kumiko/interface'
import { isSignedBy, signerOf } from './packet.ts'

/** Endpoints whose node is remembered, at most; the one that was proved longest ago is forgotten. */
export const SIGNERS_MAX = 1024

/** Who signed a packet. */
export interface Signer {
  readonly nodeId: NodeId
  /** 64 bytes. */
  readonly publicKey: Uint8Array
}

/**
 * Finds out who signed packets. From an endpoint where a node has proved to be, the next packet is most likely of that node: to verify that is
 * cheaper than to recover who it was.
 */
export class Signers {
  readonly #byEndpoint = new BoundedMap<string, Signer>(SIGNERS_MAX)

  get size(): number {
    return this.#byEndpoint.size
  }

  /** A node has proved to be at an endpoint. */
  remember(signer: Signer, at: UdpEndpoint): void {
    this.#byEndpoint.set(keyOf(at), signer)
  }

  /** @returns Undefined where nobody can have signed it. */
  of(packet: Uint8Array, from: UdpEndpoint): Signer | undefined {
    const likely = this.#byEndpoint.get(keyOf(from))
    if (likely !== undefined && isSignedBy(packet, likely.publicKey)) return likely
    const publicKey = signerOf(packet)
    return publicKey === undefined ? undefined : { publicKey, nodeId: nodeIdOf(publicKey) }
  }
}

function keyOf({ ip, port }: UdpEndpoint): string {
  return `${ip} ${port}`
}
