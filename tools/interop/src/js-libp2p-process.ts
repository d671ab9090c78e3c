// The child process of startJsLibp2pPeer: one node of js-libp2p 3.x, driven by lines of JSON like the Go peer.
import { createLibp2p } from 'libp2p'
import { faceOf, type Libp2p3, libp2pParts } from './js-libp2p-face.ts'
import { readLibp2pArguments } from './libp2p-arguments.ts'
import { serveLibp2p } from './libp2p-commands.ts'

const node = await createLibp2p({
  ...(await libp2pParts(readLibp2pArguments())),
  connectionManager: { inboundConnectionThreshold: 1000 }, // its default refuses the sixth within a second
})
await serveLibp2p(faceOf(node as unknown as Libp2p3)) // which services is told by its arguments
