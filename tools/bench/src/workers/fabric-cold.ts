// From the start of the process to a network's first committed transaction, by the unmodified client.
//   fabric-cold.ts <organisations> wall|cpu    seconds; of all threads
import { devnet } from '@kumiko/fabric-devnet'
import { Assets } from '../fabric-contract.ts'
import { cpuSeconds } from '../measure.ts'

const net = await devnet({ orgs: Number(process.argv[2]), contracts: { assets: Assets } })
const assets = await net.contract('assets')
await assets.submitTransaction('write', 'car', 'alice')
// Both since the process began.
const seconds = process.argv[3] === 'cpu' ? cpuSeconds() : performance.now() / 1000
await net.stop()
console.log(seconds)
