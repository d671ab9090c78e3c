import { execFile } from 'node:child_process'
import { cp, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import {
  type Ledger,
  Ledgers,
  levelStateDatabase,
  memoryStateDatabase,
  type OpenStateDatabase,
  SnapshotRequests,
} from '@kumiko/fabric-ledger'
import { toHex } from '@kumiko/fabric-protocol'
import { GOLDEN, goldenBlocks } from '@kumiko/golden-channel'
import { describe, expect, it } from 'vitest'
import { listOf, peerBlocks, withFolder } from './golden.ts'
import { goldenCommit, goldenPolicies, goldenPrivateData } from './golden-commits.ts'

const PEERS = join(GOLDEN, 'snapshot')
/** A key of a collection whose keys expire is there then, and others that blocks after overwrite, delete and purge. */
const HEIGHT = 31n

async function filesOf(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(folder)).sort()
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, (await readFile(join(folder, name))).toString('latin1')])))
}

async function openLedgers(folder: string, openState: OpenStateDatabase): Promise<Ledgers> {
  const ledger = () => ({ openState, policies: () => goldenPolicies })
  return await Ledgers.open({ folder: join(folder, 'ledgers'), ledger })
}

/** Commits the golden blocks that the ledger lacks. */
async function commitRest(ledger: Ledger): Promise<void> {
  for (const { number, txFilter, commitHash } of goldenBlocks().slice(Number(ledger.info.height))) {
    const committed = await ledger.commit(goldenCommit(number))
    expect([toHex(committed.codes), committed.commitHash && toHex(committed.commitHash)]).toEqual([txFilter, commitHash])
  }
}

/** What is public: private data of blocks before a snapshot is not in it. */
async function publicState(ledger: Ledger): Promise<unknown[]> {
  return (await listOf(ledger.state.entries())).filter(({ namespace }) => !namespace.includes('$$p'))
}

describe.each([
  ['memory', memoryStateDatabase],
  ['LevelDB', levelStateDatabase],
])('with the state in %s', (_, openState) => {
  it('a ledger begins with the real peer’s snapshot', async () => {
    await withFolder(async (folder) => {
      let ledgers = await openLedgers(folder, openState())
      let ledger = await ledgers.joinSnapshot(PEERS)
      for (let round = 0; round < 2; round++) {
        expect(ledger.info.height).toBe(54n)
        expect(toHex(ledger.info.commitHash ?? new Uint8Array())).toBe(goldenBlocks()[53]?.commitHash)
        await ledger.writeSnapshot(join(folder, `again-${round}`))
        expect(await filesOf(join(folder, `again-${round}`))).toEqual(await filesOf(PEERS))
        await expect(ledgers.joinSnapshot(PEERS)).rejects.toMatchObject({ code: 'fabric-ledger/ledger-exists' })
        expect(await ledgers.list()).toEqual([{ channelId: 'mychannel', height: 54n, status: 'active' }])
        await ledgers.close()
        ledgers = await openLedgers(folder, openState())
        ledger = await ledgers.get('mychannel')
      }
      await ledgers.close()
    })
  })

  it('a ledger misses what the snapshot has hashes of, and asks for it', async () => {
    await withFolder(async (folder) => {
      const ledgers = await openLedgers(folder, openState())
      const ledger = await ledgers.joinSnapshot(PEERS)
      const expected = (await listOf(ledger.state.entries())).filter(({ namespace }) => namespace.includes('$$h'))
      const missing = await ledger.privateData.missing({ blocks: 100 })
      expect(missing).toEqual([{ blockNumber: 1n, transactionNumber: 0, namespace: '_lifecycle', collection: '_implicit_org_Org1MSP' }])
      expect(expected.map(({ version }) => version)).toEqual(Array(6).fill({ blockNumber: 1n, transactionNumber: 0n }))
      // The real peer's own, of the transaction that approved the chaincode.
      const [given] = goldenPrivateData(1)
      const set = given?.set.namespaces[0]?.collections[0] ?? fail()
      const at = missing[0] ?? fail()
      const { stored, refused } = await ledger.reconcile([{ ...at, set, expected: undefined }])
      expect([stored.map(({ keyValue }) => keyValue.writes.length), refused]).toEqual([[6], []])
      expect(await ledger.privateData.missing({ blocks: 100 })).toEqual([])
      const hidden = (await listOf(ledger.state.entries())).filter(({ namespace }) => namespace.includes('$$p'))
      expect(hidden.length).toBe(6)
      await ledgers.close()
    })
  })

  it('a ledger goes on from a snapshot as the real peer does, and makes anew what it loses', async () => {
    await withFolder(async (folder) => {
      let ledgers = await openLedgers(folder, openState())
      let ledger = await ledgers.create({ ...(peerBlocks[0] ?? fail()), metadata: [] })
      const requests = await SnapshotRequests.open(join(folder, 'requests'))
      await requests.submit(HEIGHT - 1n, ledger.info.height)
      for (let number = 1; number < 54; number++) {
        await ledger.commit(goldenCommit(number))
        await requests.fulfil(ledger.info.height, (at) => ledger.writeSnapshot(join(folder, `snapshots/${at}`)))
      }
      const expected = await publicState(ledger)
      await ledgers.close()
      await rm(join(folder, 'ledgers'), { recursive: true })
      ledgers = await openLedgers(folder, openState())
      ledger = await ledgers.joinSnapshot(join(folder, 'snapshots/30'))
      await rm(join(folder, 'snapshots'), { recursive: true })
      await commitRest(ledger)
      for (const lost of ['none', 'index', 'state', 'config-history', 'history', 'expiry']) {
        expect([await publicState(ledger), ledger.info.height, ledger.blocks.first], lost).toEqual([expected, 54n, HEIGHT])
        await ledger.writeSnapshot(join(folder, `at-53-${lost}`))
        expect(await filesOf(join(folder, `at-53-${lost}`)), lost).toEqual(await filesOf(PEERS))
        await ledgers.close()
        await rm(join(folder, 'ledgers/mychannel', lost), { recursive: true, force: true })
        ledgers = await openLedgers(folder, openState())
        ledger = await ledgers.get('mychannel')
      }
      await ledgers.close()
    })
  })
})

describe('what is not to be trusted', () => {
  it('begins no ledger', async () => {
    await withFolder(async (folder) => {
      const ledgers = await openLedgers(folder, memoryStateDatabase())
      await expect(ledgers.joinSnapshot(folder)).rejects.toMatchObject({ code: 'fabric-ledger/no-snapshot' })
      await cp(PEERS, join(folder, 'copy'), { recursive: true })
      const path = join(folder, 'copy/public_state.data')
      const bytes = await readFile(path)
      bytes[20_000] = (bytes[20_000] ?? 0) ^ 1
      await rm(path)
      await writeFile(path, bytes)
      const message = expect.stringContaining('public_state.data: its SHA-256 is ')
      await expect(ledgers.joinSnapshot(join(folder, 'copy'))).rejects.toMatchObject({ code: 'fabric-ledger/corrupt-snapshot', message })
      expect(await ledgers.list()).toEqual([])
      await ledgers.joinSnapshot(PEERS)
      await ledgers.close()
    })
  })

  it.skipIf(process.platform === 'win32')('is waited for in vain neither where it is a pipe, nor where it has no end', async () => {
    await withFolder(async (folder) => {
      const ledgers = await openLedgers(folder, memoryStateDatabase())
      const path = join(folder, 'copy/public_state.data')
      await cp(PEERS, join(folder, 'copy'), { recursive: true })
      for (const make of [() => symlink('/dev/zero', path), () => promisify(execFile)('mkfifo', [path]), () => mkdir(path)]) {
        await rm(path, { recursive: true })
        await make()
        await expect(ledgers.joinSnapshot(join(folder, 'copy'))).rejects.toMatchObject({ code: 'fabric-ledger/no-file' })
      }
      await ledgers.close()
    })
  })
})

function fail(): never {
  throw new Error('there is none')
}
