// Answers the contract of libp2p's test-plans, transport-interop, with a Host of ours: README.md tells the environment.
import { createHost } from '@kumiko/host'
import { contractParts, playContract } from './transport-contract.ts'

await playContract(async (contract) => await createHost({ ...(await contractParts(contract)), start: true }))
