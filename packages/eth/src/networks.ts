import { holesky } from './holesky.ts'
import { hoodi } from './hoodi.ts'
import { mainnet } from './mainnet.ts'
import type { EthereumNetwork } from './network.ts'
import { sepolia } from './sepolia.ts'

/** What the public networks are called. */
export type NetworkName = 'mainnet' | 'sepolia' | 'hoodi' | 'holesky'

/** The public networks by name, as of August 2026. */
export const networks: Readonly<Record<NetworkName, EthereumNetwork>> = { mainnet, sepolia, hoodi, holesky }
