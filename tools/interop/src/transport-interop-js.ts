// The same contract as transport-interop.ts, answered by js-libp2p 3.x.
import { createLibp2p } from 'libp2p'
import { contractParts, playContract } from './transport-contract.ts'

await playContract(async (contract) => await createLibp2p(await contractParts(contract)))
