import type { Chain } from './chain.ts'

/** A public network: its chain, and where its nodes are found. */
export interface EthereumNetwork extends Chain {
  readonly name: string
  /** EIP-155's; the network id of Status is the same. */
  readonly chainId: number
  /** For discv4, as enode URLs. */
  readonly bootnodes: readonly string[]
  /** For discv5, as ENRs. */
  readonly bootnodesV5: readonly string[]
  /** `enrtree://…`: see EIP-1459. */
  readonly dnsTrees: readonly string[]
}
