import type { Case } from './case.ts'
import { blackBoxCases } from './cases/black-box.ts'
import { chatCases } from './cases/chat.ts'
import { conformanceCases } from './cases/conformance.ts'
import { discoveryCases } from './cases/discovery.ts'
import { discoveryControlCases } from './cases/discovery-control.ts'
import { fabricOrdererCases } from './cases/fabric-orderers.ts'
import { fabricPeerCases } from './cases/fabric-peers.ts'
import { goRawCases } from './cases/go-raw.ts'
import { halfOpenCases } from './cases/half-open.ts'
import { libp2pCases } from './cases/libp2p.ts'
import { libp2pNetworkCases } from './cases/libp2p-networks.ts'
import { libp2pPairCases } from './cases/libp2p-pairs.ts'
import { mixedNetworkCases } from './cases/mixed-network.ts'
import { peerCases } from './cases/peers.ts'
import { transportInteropCases } from './cases/transport-interop.ts'
import { controlCases } from './control-cases.ts'

/** All cases, in the order in which they run. */
export const cases: readonly Case[] = [
  ...controlCases,
  ...peerCases,
  ...goRawCases,
  ...halfOpenCases,
  ...libp2pCases,
  ...libp2pPairCases,
  ...libp2pNetworkCases,
  ...transportInteropCases,
  ...chatCases,
  ...discoveryControlCases,
  ...discoveryCases,
  ...conformanceCases,
  ...blackBoxCases,
  ...mixedNetworkCases,
  ...fabricOrdererCases,
  ...fabricPeerCases,
]
