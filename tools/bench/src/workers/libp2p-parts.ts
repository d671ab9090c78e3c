import { echo } from '@libp2p/echo'
import { identify } from '@libp2p/identify'
import type { PrivateKey } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'

/** What differs from node to node. */
export interface NodeOptions {
  readonly listen: string[]
  readonly privateKey: PrivateKey
}

/** The npm modules that both stacks run on. */
export function partsOf({ listen, privateKey }: NodeOptions, encrypter = noise()) {
  return {
    privateKey,
    addresses: { listen },
    transports: [tcp()],
    connectionEncrypters: [encrypter],
    streamMuxers: [yamux()],
    services: { identify: identify(), ping: ping(), echo: echo() },
  }
}
