import type { NodeDatabase, NodeRecord } from '@kumiko/interface'
import { nodeDatabaseContract, type TestRunner } from '@kumiko/interface/testing'
import { describe, expect, it } from 'vitest'
import { virtualClock } from './clock.ts'
import { memoryNodeDatabase } from './node-database.ts'
import { seeded } from './random.ts'

nodeDatabaseContract({ describe, it }, () => subject())

describe('a NodeDatabase that does wrong is found out, where it', () => {
  it('lets an older record replace a newer one', async () => {
    const wrong = (database: NodeDatabase): NodeDatabase => ({
      ...database,
      get: async (protocol, id) => {
        const remembered = await database.get(protocol, id)
        return remembered === undefined ? undefined : { ...remembered, node: node(0, 1n) }
      },
    })
    expect(await failures(wrong)).toContain('takes a newer record for an older one, and never the other way')
  })

  it('asks the same seeds each time', async () => {
    const wrong = (database: NodeDatabase): NodeDatabase => ({
      ...database,
      seeds: async (protocol, count, ageMaxMs) => {
        const all = await database.seeds(protocol, 1_000_000, ageMaxMs)
        return all.sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1)).slice(0, count)
      },
    })
    expect(await failures(wrong)).toEqual(['picks seeds at random'])
  })

  it('does not heed the age or the count', async () => {
    const wrong = (database: NodeDatabase): NodeDatabase => ({
      ...database,
      seeds: (protocol) => database.seeds(protocol, 1_000_000, Number.POSITIVE_INFINITY),
    })
    expect(await failures(wrong)).toEqual([
      'has no seeds while it is empty, and gives none where none is asked for',
      'gives as seeds those that answered, and not too long ago',
      'gives each seed once, all of a few, and no more than asked for of many',
      'picks seeds at random',
    ])
  })
})

function subject(wrong: (database: NodeDatabase) => NodeDatabase = (database) => database) {
  const clock = virtualClock(1_700_000_000_000)
  return { database: wrong(memoryNodeDatabase({ clock, random: seeded().random })), now: clock.now, node }
}

/** Runs the suite without reporting it. @returns The names of the tests that failed. */
async function failures(wrong: (database: NodeDatabase) => NodeDatabase): Promise<string[]> {
  const tests: { readonly name: string; run(): Promise<void> }[] = []
  const runner: TestRunner = { describe: (_, define) => define(), it: (name, run) => tests.push({ name, run }) }
  nodeDatabaseContract(runner, () => subject(wrong))
  const failed: string[] = []
  for (const { name, run } of tests) await run().catch(() => failed.push(name))
  return failed
}

/** No key is behind it: the database only carries it. */
function node(index: number, seq: bigint): NodeRecord {
  const host = `10.0.${index}.${seq}`
  return {
    nodeId: index.toString(16).padStart(64, '0'),
    publicKey: new Uint8Array(33).fill(index),
    get peerId(): never {
      throw new Error('a node without a key has no peer id')
    },
    endpoints: [{ host, tcp: 30303, udp: 30303 }],
    addresses: [],
    seq,
    entry: () => undefined,
  }
}
