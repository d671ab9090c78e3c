import { Ledger } from '@kumiko/fabric-ledger'
import { Faults } from './faults.ts'
import { peerBlocks } from './golden.ts'
import { goldenCommit, goldenPolicies } from './golden-commits.ts'

/** Commits golden blocks to a ledger until all are there, or until a write at which the process kills itself. */
const [folder = '', writes = ''] = process.argv.slice(2)
const faults = new Faults(() => {
  process.kill(process.pid, 'SIGKILL')
  return new Error('killed')
})
faults.left = Number(writes)
const ledger = await Ledger.open({ folder, channelId: 'mychannel', policies: () => goldenPolicies, fileSystem: faults.fileSystem })
for (let number = Number(ledger.info.height); number < peerBlocks.length; number++) await ledger.commit(goldenCommit(number))
await ledger.close()
