import { noiseCrypto } from '@kumiko/host'
import type { Libp2p } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { defaultCrypto } from '@libp2p/noise/crypto'
import { createNode as createPlain } from './libp2p-ours.ts'
import type { NodeOptions } from './libp2p-parts.ts'

/** Our Host, its noise with `noiseCrypto`. */
export async function createNode(options: NodeOptions): Promise<Libp2p> {
  return await createPlain(options, noise({ crypto: noiseCrypto(defaultCrypto) }))
}
