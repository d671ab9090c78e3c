import { bootnodesV5 } from './bootnodes-v5.ts'
import type { EthereumNetwork } from './network.ts'

/** The test network for staking before Hoodi. Support for it was announced to end in autumn 2025; go-ethereum still lists it, with bootnodes and a DNS tree. */
export const holesky: EthereumNetwork = {
  name: 'holesky',
  chainId: 17_000,
  genesisHash: 'b5f7f912443c940f21fd611f12828d75b534364ed9e95ca4e307729a4661bde4',
  genesisTime: 1_695_902_100,
  forks: [
    { name: 'Shanghai', time: 1_696_000_704 },
    { name: 'Cancun', time: 1_707_305_664 },
    { name: 'Prague', time: 1_740_434_112 },
    { name: 'Osaka', time: 1_759_308_480 },
    { name: 'BPO1', time: 1_759_800_000 },
    { name: 'BPO2', time: 1_760_389_824 },
  ],
  bootnodes: [
    'enode://ac906289e4b7f12df423d654c5a962b6ebe5b3a74cc9e06292a85221f9a64a6f1cfdd6b714ed6dacef51578f92b34c60ee91e9ede9c7f8fadc4d347326d95e2b@146.190.13.128:30303',
    'enode://a3435a0155a3e837c02f5e7f5662a2f1fbc25b48e4dc232016e1c51b544cb5b4510ef633ea3278c0e970fa8ad8141e2d4d0f9f95456c537ff05fdf9b31c15072@178.128.136.233:30303',
  ],
  bootnodesV5,
  dnsTrees: ['enrtree://AKA3AM6LPBYEUDMVNU3BSVQJ5AD45Y7YPOHJLEF6W26QOE4VTUDPE@all.holesky.ethdisco.net'],
}
