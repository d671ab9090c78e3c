import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  BlockStore,
  type FileSystem,
  Ledger,
  type LedgerOptions,
  memoryStateDatabase,
  nodeFileSystem,
  type OpenStateDatabase,
  privateNamespace,
  readClaimedSet,
  readTransactionSet,
  rollback,
} from '@kumiko/fabric-ledger'
import { type Block, BlockMetadataIndex, KVRWSet, toHex, ValidationCode, withMetadata } from '@kumiko/fabric-protocol'
import { goldenBlocks } from '@kumiko/golden-channel'
import { isFault } from '@kumiko/interface'
import { describe, expect, it } from 'vitest'
import { peerBlocks, withFolder } from './golden.ts'
import { dumpLedger, goldenCommit, goldenPolicies, goldenPrivateData } from './golden-commits.ts'

const genesis = peerBlocks[0] as Block

function optionsOf(folder: string, more: Partial<LedgerOptions> = {}): LedgerOptions {
  return { folder: join(folder, 'ledger'), channelId: 'mychannel', policies: () => goldenPolicies, ...more }
}

async function make(options: LedgerOptions, height: number): Promise<Ledger> {
  const ledger = await Ledger.create({ ...options, genesis })
  for (let number = 1; number < height; number++) await ledger.commit(goldenCommit(number))
  return ledger
}

async function codeOf(work: Promise<unknown>): Promise<unknown> {
  const error: unknown = await work.then(
    () => undefined,
    (error: unknown) => error,
  )
  return error instanceof Error && 'code' in error ? error.code : error
}

describe('a block that another peer committed', () => {
  it('is committed with its own codes', async () => {
    await withFolder(async (folder) => {
      const ledger = await Ledger.create({ ...optionsOf(folder), genesis })
      for (const [number, block] of peerBlocks.entries()) {
        if (number > 0) await ledger.commit({ block, privateData: goldenPrivateData(number), verify: true })
      }
      expect(toHex(ledger.info.commitHash ?? new Uint8Array())).toBe(goldenBlocks()[53]?.commitHash)
      await ledger.close()
    })
  })

  it('is refused where it has other codes or another commit hash, and changes nothing', async () => {
    await withFolder(async (folder) => {
      const ledger = await make(optionsOf(folder), 9)
      const before = await dumpLedger(ledger)
      const commit = goldenCommit(9)
      const peers = peerBlocks[9] as Block
      const codes = withMetadata(peers, BlockMetadataIndex.transactionsFilter, Uint8Array.of(0, 11, 0))
      const hash = withMetadata(peers, BlockMetadataIndex.commitHash, peerBlocks[8]?.metadata[4] ?? new Uint8Array())
      expect(await codeOf(ledger.commit({ ...commit, block: codes, verify: true }))).toBe('fabric-ledger/other-codes')
      expect(await codeOf(ledger.commit({ ...commit, block: hash, verify: true }))).toBe('fabric-ledger/other-commit-hash')
      expect(await codeOf(ledger.commit({ ...commit, verify: true }))).toBe('fabric-ledger/other-codes')
      expect(await dumpLedger(ledger)).toBe(before)
      await ledger.commit({ ...commit, block: peers, verify: true })
      expect(ledger.info.height).toBe(10n)
      await ledger.close()
    })
  })
})

describe('misuse', () => {
  it('is refused, and the ledger goes on', async () => {
    await withFolder(async (folder) => {
      const options = optionsOf(folder)
      const ledger = await make(options, 3)
      const { block, transactions } = goldenCommit(3)
      expect(await codeOf(ledger.commit(goldenCommit(2)))).toBe('fabric-ledger/not-next')
      expect(await codeOf(ledger.commit(goldenCommit(4)))).toBe('fabric-ledger/not-next')
      expect(await codeOf(ledger.commit({ block: { ...block, data: [...block.data, ...block.data] } }))).toBe('fabric-ledger/not-next')
      expect(await codeOf(ledger.commit({ block }))).toBe('fabric-ledger/no-validation-codes')
      expect(await codeOf(ledger.commit({ block, transactions: [] }))).toBe('fabric-ledger/no-validation-codes')
      expect(await codeOf(Ledger.open(options))).toBe('fabric-ledger/in-use')
      expect(await codeOf(Ledger.create({ ...options, genesis }))).toBe('fabric-ledger/in-use')
      // Two at once take turns: the later one is the next no more.
      const both = await Promise.allSettled([ledger.commit({ block, transactions: transactions ?? [] }), ledger.commit(goldenCommit(3))])
      expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
      await ledger.close()
      await ledger.close()
      expect(await codeOf(ledger.commit(goldenCommit(4)))).toBe('fabric-ledger/closed')
      expect(await codeOf(Ledger.create({ ...options, genesis }))).toBe('fabric-ledger/ledger-exists')
      expect(await codeOf(Ledger.open({ ...options, channelId: 'other' }))).toBe('fabric-ledger/other-channel')
      expect(await codeOf(Ledger.open({ ...options, folder: join(folder, 'nothing') }))).toBe('fabric-ledger/no-ledger')
    })
  })

  it('of a block that says valid of what cannot be read is refused', async () => {
    await withFolder(async (folder) => {
      const ledger = await make(optionsOf(folder), 45)
      const block = withMetadata(peerBlocks[45] as Block, BlockMetadataIndex.transactionsFilter, Uint8Array.of(0))
      expect(await codeOf(ledger.commit({ block }))).toBe('fabric-ledger/unreadable-transaction')
      expect((await ledger.commit(goldenCommit(45))).codes).toEqual(Uint8Array.of(8))
      await ledger.close()
    })
  })
})

describe('a ledger whose parts do not belong together', () => {
  it('names what is ahead of the blocks, or behind', async () => {
    await withFolder(async (folder) => {
      const options = optionsOf(folder)
      await (await make(options, 6)).close()
      const old = join(folder, 'old')
      await cp(options.folder, old, { recursive: true })
      const ledger = await Ledger.open(options)
      await ledger.commit(goldenCommit(6))
      await ledger.commit(goldenCommit(7))
      const expected = await dumpLedger(ledger)
      await ledger.close()

      const replace = async (...names: readonly string[]) => {
        for (const name of names) {
          await rm(join(options.folder, name), { recursive: true })
          await cp(join(old, name), join(options.folder, name), { recursive: true })
        }
      }
      const now = join(folder, 'now')
      await cp(options.folder, now, { recursive: true })
      await replace('private')
      await expect(Ledger.open(options)).rejects.toMatchObject({ code: 'fabric-ledger/private-data-behind', context: { height: 6n } })
      // As the message says.
      await rollback(options, 5n)
      const again = await Ledger.open(options)
      await again.commit(goldenCommit(6))
      await again.commit(goldenCommit(7))
      expect(await dumpLedger(again)).toBe(expected)
      await again.close()

      await replace('blocks', 'index')
      await expect(Ledger.open(options)).rejects.toMatchObject({ code: 'fabric-ledger/ahead-of-blocks', context: { name: 'state' } })
      await rm(join(options.folder, 'state'), { recursive: true })
      await expect(Ledger.open(options)).rejects.toMatchObject({ code: 'fabric-ledger/ahead-of-blocks', context: { name: 'history' } })
      await rm(join(options.folder, 'history'), { recursive: true })
      const last = await Ledger.open(options)
      expect(last.info.height).toBe(6n)
      // Private data is there already, and serves.
      for (const number of [6, 7]) await last.commit({ ...goldenCommit(number), privateData: [] })
      expect(await dumpLedger(last)).toBe(expected)
      await last.close()
    })
  })

  it.each(['state', 'history', 'config-history', 'expiry', 'index'])('makes %s anew where it is gone', async (name) => {
    await withFolder(async (folder) => {
      const options = optionsOf(folder)
      const ledger = await make(options, 33)
      const expected = await dumpLedger(ledger)
      await ledger.close()
      await rm(join(options.folder, name), { recursive: true })
      const again = await Ledger.open(options)
      expect(await dumpLedger(again)).toBe(expected)
      // What expires with block 33 does so.
      await again.commit(goldenCommit(33))
      await again.commit(goldenCommit(34))
      const other = await make({ ...options, folder: join(folder, 'other') }, 35)
      expect(await dumpLedger(again)).toBe(await dumpLedger(other))
      const [found, wanted] = [await again.writeSnapshot(join(folder, 'found')), await other.writeSnapshot(join(folder, 'wanted'))]
      expect(found.info).toEqual(wanted.info)
      await other.close()
      await again.close()
    })
  })

  it('names the block whose codes are not those that it was committed with', async () => {
    await withFolder(async (folder) => {
      const options = optionsOf(folder)
      await (await make(options, 12)).close()
      const paths = { folder: join(options.folder, 'blocks'), indexFolder: join(options.folder, 'index') }
      for (const name of ['blocks', 'index', 'state']) await rm(join(options.folder, name), { recursive: true })
      const store = await BlockStore.open(paths)
      for (const [number, block] of peerBlocks.slice(0, 12).entries()) {
        await store.append(number === 9 ? withMetadata(block, BlockMetadataIndex.transactionsFilter, Uint8Array.of(0, 0, 11)) : block)
      }
      await store.close()
      await expect(Ledger.open(options)).rejects.toMatchObject({ code: 'fabric-ledger/other-commit-hash', context: { number: 9n } })
      // What was replayed before it is whole: rolled back to there, the ledger goes on.
      await rollback(options, 8n)
      const ledger = await Ledger.open(options)
      for (const number of [9, 10, 11]) await ledger.commit(goldenCommit(number))
      expect(toHex(ledger.info.commitHash ?? new Uint8Array())).toBe(goldenBlocks()[11]?.commitHash)
      await ledger.close()
    })
  })
})

describe('private data that comes late', () => {
  it('reaches the state, and does again where a loss of power took it out', async () => {
    await withFolder(async (folder) => {
      const options = optionsOf(folder)
      const ledger = await make(options, 28)
      const { privateData: given = [], ...commit } = goldenCommit(28)
      expect((await ledger.commit(commit)).missing).toMatchObject([{ transactionNumber: 0, collection: 'secret', isEligible: true }])
      const [at] = await ledger.privateData.missing({ blocks: 1 })
      const set = given[0]?.set.namespaces[0]?.collections[0]
      const expected = readTransactionSet(commit.block.data[0] ?? new Uint8Array())
      if (at === undefined || set === undefined || expected === undefined || isFault(expected)) throw new Error('there is none')
      const found = expected.namespaces.flatMap(({ collections }) => collections).find(({ collection }) => collection === 'secret')
      await ledger.close()
      const old = join(folder, 'old')
      await cp(join(options.folder, 'state'), old, { recursive: true })

      const again = await Ledger.open(options)
      const key = [{ namespace: privateNamespace('golden', 'secret'), key: 's2' }]
      expect(await again.state.getMany(key)).toEqual([undefined])
      const late = { ...at, set, expected: found }
      const changed = new TextEncoder().encode('false')
      const isFalse = { ...late, set: { ...set, bytes: changed } }
      expect(await again.reconcile([isFalse])).toEqual({ stored: [], refused: [isFalse] })
      expect((await again.reconcile([late])).stored).toHaveLength(1)
      const dump = await dumpLedger(again)
      const value = Buffer.from('top secret 2')
      expect((await again.state.getMany(key))[0]?.value).toEqual(new Uint8Array(value))
      await again.close()

      await rm(join(options.folder, 'state'), { recursive: true })
      await cp(old, join(options.folder, 'state'), { recursive: true })
      const last = await Ledger.open(options)
      expect(await dumpLedger(last)).toBe(dump)
      await last.close()
    })
  })
})

describe('private data of invalid transactions', () => {
  const secret = (number: number) => {
    const claimed = readClaimedSet(peerBlocks[number]?.data[0] ?? new Uint8Array())
    return claimed?.namespaces.flatMap(({ collections }) => collections).find(({ collection }) => collection === 'secret')
  }
  const refused = (number: number) => ({
    ...goldenCommit(number),
    transactions: [{ code: ValidationCode.badCreatorSignature, set: undefined }],
  })

  it('is stored as that of valid ones is, though the state does not have it', async () => {
    await withFolder(async (folder) => {
      const ledger = await make(optionsOf(folder), 28)
      expect((await ledger.commit(refused(28))).missing).toEqual([])
      const names = ((await ledger.privateData.read(28n)) ?? []).flatMap(({ set }) =>
        set.namespaces.flatMap(({ collections }) => collections.map(({ collection }) => collection)),
      )
      expect(names).toEqual(['secret'])
      expect(await ledger.state.getMany([{ namespace: privateNamespace('golden', 'secret'), key: 's2' }])).toEqual([undefined])
      await ledger.close()
    })
  })

  it('comes late without getting in the way of what valid ones wrote', async () => {
    await withFolder(async (folder) => {
      const options = optionsOf(folder)
      const ledger = await make(options, 27)
      for (let number = 27; number < 32; number++) await ledger.commit({ ...goldenCommit(number), privateData: [] })
      const { missing } = await ledger.commit({ ...refused(32), privateData: [] })
      expect(missing).toEqual([{ transactionNumber: 0, namespace: 'golden', collection: 'secret', isEligible: true }])
      const late = (
        [
          [27, 'top secret 1'],
          [32, 'top secret 1b'],
        ] as const
      ).map(([number, text]) => {
        const keyValue = KVRWSet.create({ writes: [{ key: 's1', isDelete: false, value: Buffer.from(text) }] })
        const at = { blockNumber: BigInt(number), transactionNumber: 0, namespace: 'golden', collection: 'secret' }
        return { ...at, set: { collection: 'secret', keyValue, bytes: KVRWSet.encode(keyValue) }, expected: secret(number) }
      })
      expect((await ledger.reconcile(late)).stored).toHaveLength(2)
      const key = [{ namespace: privateNamespace('golden', 'secret'), key: 's1' }]
      const value = async (of: Ledger) => Buffer.from((await of.state.getMany(key))[0]?.value ?? []).toString()
      expect(await value(ledger)).toBe('top secret 1')
      await ledger.close()
      await rm(join(options.folder, 'state'), { recursive: true })
      const again = await Ledger.open(options)
      expect(await value(again)).toBe('top secret 1')
      await again.close()
    })
  })
})

describe('a new ledger', () => {
  it('takes nothing from a database outside its folder', async () => {
    await withFolder(async (folder) => {
      const database = await memoryStateDatabase()('')
      database.close = async () => {}
      const version = { blockNumber: 4n, transactionNumber: 0n }
      await database.apply([{ namespace: 'cc', key: 'old', value: Uint8Array.of(1), metadata: new Uint8Array(), version }], 5n)
      const ledger = await make(optionsOf(folder, { openState: async () => database }), 5)
      expect(await dumpLedger(ledger)).not.toContain('cc/old')
      expect(ledger.state.height).toBe(5n)
      await ledger.close()
    })
  })
})

describe('without history', () => {
  it('there is none to read, until it is asked for', async () => {
    await withFolder(async (folder) => {
      const options = optionsOf(folder)
      const ledger = await make({ ...options, history: false }, 12)
      expect(() => ledger.history('golden', 'a')).toThrow(expect.objectContaining({ code: 'fabric-ledger/no-history' }))
      await ledger.close()
      const numbers: bigint[] = []
      const again = await Ledger.open({ ...options, onReplay: ({ number }) => numbers.push(number) })
      expect(numbers.length).toBe(12)
      expect((await again.history('golden', 'a').next()).value).toMatchObject({ isDelete: false })
      await again.close()
    })
  })
})

describe('queries and simulations', () => {
  it('read the height that they begin at', async () => {
    await withFolder(async (folder) => {
      const ledger = await make(optionsOf(folder, { openState: memoryStateDatabase() }), 4)
      const [query, simulator] = [await ledger.query(), await ledger.simulate()]
      await ledger.commit(goldenCommit(4))
      expect([query.height, simulator.height, ledger.state.height]).toEqual([4n, 4n, 5n])
      simulator.setState('golden', 'a', new TextEncoder().encode('1'))
      expect((await simulator.results()).public.namespaces).toHaveLength(1)
      await query.close()
      await simulator.close()
      await ledger.close()
    })
  })
})

describe('a failure to read', () => {
  it('stores nothing, and the same block may come again', async () => {
    await withFolder(async (folder) => {
      let isDown = false
      const openState: OpenStateDatabase = async (path) => {
        const database = await memoryStateDatabase()(path)
        const getMany = database.getMany.bind(database)
        database.getMany = async (keys) => {
          if (isDown) throw new Error('no connection')
          return await getMany(keys)
        }
        return database
      }
      const ledger = await make(optionsOf(folder, { openState }), 8)
      isDown = true
      await expect(ledger.commit(goldenCommit(8))).rejects.toThrow('no connection')
      isDown = false
      expect((await ledger.commit(goldenCommit(8))).number).toBe(8n)
      await ledger.close()
    })
  })
})

describe('opening', () => {
  it('that fails leaves nothing open', async () => {
    await withFolder(async (folder) => {
      const options = optionsOf(folder)
      await (await make(options, 3)).close()
      const openState: OpenStateDatabase = async () => {
        throw new Error('not today')
      }
      await expect(Ledger.open({ ...options, openState })).rejects.toThrow('not today')
      const open: FileSystem['open'] = async () => {
        throw new Error('no file')
      }
      await expect(Ledger.open({ ...options, fileSystem: { ...nodeFileSystem, open } })).rejects.toThrow('no file')
      const policies = () => {
        throw new Error('no policies')
      }
      await expect(Ledger.open({ ...options, policies })).rejects.toThrow('no policies')
      await (await Ledger.open(options)).close()
    })
  })
})
