import { seeded } from '@kumiko/testkit'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { dialer } from '../src/dialer.ts'
import { FakeNode } from './fake-node.ts'
import { node, peer } from './nodes.ts'

const PEERS = 40

test('a dialer driven by random rounds keeps its bounds, dials nobody twice at once, and gives every slot back', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(), async (seed) => {
      const { below, pick } = seeded(seed)
      const fake = new FakeNode()
      for (let i = 1; i < PEERS; i++) {
        const does = pick(['connects', 'connects', 'fails', 'stays silent'] as const)
        fake.at(`/ip4/10.0.0.${i}/tcp/30303`, { does, afterMs: below(3000), isDeaf: does === 'connects' && below(8) === 0 })
      }
      const part = dialer({ bootnodes: [node(1), node(2)].map(({ addresses }, i) => `${addresses[0]}/p2p/${peer(i + 1)}`) })(
        fake.components(),
      )
      part.start()
      part.afterStart()
      part.addSource({
        name: 'random',
        async *nodes() {
          for (;;) yield { ...node(below(PEERS)), ...NOTHING }
        },
      })
      const pending: Promise<unknown>[] = []
      for (let round = 0; round < 60; round++) {
        const number = 1 + below(PEERS - 1)
        const what = below(6)
        if (what === 0) part.addStatic(`${node(number).addresses[0]}/p2p/${peer(number)}`)
        if (what === 1) part.removeStatic(peer(number))
        if (what === 2) fake.drop(peer(number))
        if (what === 3) fake.open(peer(number))
        if (what === 4) pending.push(part.dial(`${node(number).addresses[0]}/p2p/${peer(number)}`).catch(() => {}))
        await fake.clock.advance(below(2000))
        const under = fake.calls.filter(({ isOver }) => !isOver).map(({ address }) => address)
        expect(part.status().dialing).toBeLessThanOrEqual(16)
        expect(new Set(part.getDialQueue().map(({ peerId }) => String(peerId))).size).toBe(part.getDialQueue().length)
        expect(fake.calls.some(({ peerId }) => peerId?.equals(peer(0)))).toBe(false)
        expect(part.getDialQueue().filter(({ status }) => status === 'active').length).toBe(part.status().dialing)
        expect(under.length).toBeLessThanOrEqual(32)
      }
      await part.stop()
      await Promise.all(pending)
      await fake.clock.advance(10_000)
      expect([fake.callsUnderWay, fake.clock.pending]).toEqual([0, 0])
    }),
    { seed: 42, numRuns: 10 },
  )
})

/** What a record has besides a candidate's members; the dialer reads none of it. */
const NOTHING = { nodeId: '', publicKey: new Uint8Array(), endpoints: [], seq: 0n, entry: () => undefined }
