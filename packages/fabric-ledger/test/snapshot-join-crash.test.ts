import { join } from 'node:path'
import { Ledgers, levelStateDatabase, Snapshot } from '@kumiko/fabric-ledger'
import { GOLDEN } from '@kumiko/golden-channel'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Faults } from './faults.ts'
import { withFolder } from './golden.ts'
import { goldenPolicies } from './golden-commits.ts'

const PEERS = join(GOLDEN, 'snapshot')

async function openLedgers(folder: string, { fileSystem }: Faults): Promise<Ledgers> {
  const ledger = () => ({ openState: levelStateDatabase(), policies: () => goldenPolicies })
  return await Ledgers.open({ folder: join(folder, 'ledgers'), ledger, fileSystem })
}

describe('a crash while a ledger begins with a snapshot', () => {
  let faults: Faults
  beforeAll(() => {
    faults = new Faults()
  })
  afterAll(() => faults.end())

  it('leaves none, which can begin again, or a whole one', async () => {
    await withFolder(async (folder) => {
      let whole = 0
      for (let left = 0; whole === 0; left += 5) {
        const ledgers = await openLedgers(join(folder, String(left)), faults)
        faults.left = left
        const isDone = await ledgers.joinSnapshot(PEERS).then(
          () => true,
          () => false,
        )
        faults.mend()
        await ledgers.close()
        const after = await openLedgers(join(folder, String(left)), faults)
        if (isDone) whole++
        const [found] = await after.list()
        expect(found === undefined || found.status === 'active').toBe(true)
        const ledger = found === undefined ? await after.joinSnapshot(PEERS) : await after.get('mychannel')
        await ledger.writeSnapshot(join(folder, `again-${left}`))
        expect((await Snapshot.open(join(folder, `again-${left}`)))?.info).toEqual((await Snapshot.open(PEERS))?.info)
        await after.close()
      }
    })
  })
})
