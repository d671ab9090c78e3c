import type { PeerConnection } from '@kumiko/interface'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { addressOf, peer } from '../test/fixture.ts'
import { type Prune, type PruneCandidate, pruneByValue, pruneYoungest } from './prune.ts'

const NOTHING = { bytesReceived: 0, bytesSent: 0, messagesReceived: 0, messagesSent: 0, capabilities: {} }

/** A candidate of one connection, or of more of its kind. */
function candidate(n: number, changes: Partial<PruneCandidate & PeerConnection> & { readonly count?: number } = {}): PruneCandidate {
  const { direction = 'inbound', openStreams = 0, since = n, value = 0, count = 1 } = changes
  const { isTrusted = false, isStatic = false, isKept = false } = changes
  const connection = {
    stack: 'libp2p' as const,
    address: addressOf('10.0.0.1'),
    protocols: [],
    direction,
    openStreams,
    since,
  }
  const facts = { isTrusted, isStatic, isKept, value, since, traffic: NOTHING, tags: new Map() }
  return { peerId: peer(n), connections: Array(count).fill(connection), ...facts }
}

const names = (prune: Prune, peers: readonly PruneCandidate[], excess: number, excessConnections = 0): number[] =>
  [...prune(peers, { excess, excessConnections, maxPeers: 1, now: 100 })].map((peerId) => peers.findIndex((each) => each.peerId === peerId))

it('pruneByValue drops by value, then streams, direction and age; never who is trusted or kept', () => {
  const peers = [
    candidate(0, { isTrusted: true }),
    candidate(1, { isKept: true }),
    candidate(2, { isStatic: true, value: -9 }),
    candidate(3, { value: 1 }),
    candidate(4, { openStreams: 1 }),
    candidate(5, { direction: 'outbound', openStreams: 1 }),
    candidate(6, { direction: 'outbound' }),
    candidate(7),
    candidate(8),
    candidate(9, { value: -1, openStreams: 9 }),
  ]
  expect(names(pruneByValue, peers, 99)).toEqual([9, 8, 7, 6, 4, 5, 3, 2])
  expect(names(pruneByValue, peers, 2)).toEqual([9, 8])
})

it('both drop until neither peers nor connections are too many', () => {
  const peers = [candidate(0), candidate(1, { count: 3 }), candidate(2, { count: 2 })]
  for (const prune of [pruneByValue, pruneYoungest]) {
    expect([names(prune, peers, 1), names(prune, peers, 0, 3), names(prune, peers, 3, 1)]).toEqual([[2], [2, 1], [2, 1, 0]])
  }
})

it('both never choose a trusted peer, choose nobody twice, and no more than needed', () => {
  const peers = fc.array(
    fc.record({
      isTrusted: fc.boolean(),
      isStatic: fc.boolean(),
      isKept: fc.boolean(),
      value: fc.integer({ min: -3, max: 3 }),
      count: fc.nat(3),
    }),
    { maxLength: 20 },
  )
  fc.assert(
    fc.property(peers, fc.nat(20), fc.nat(20), (facts, excess, excessConnections) => {
      const all = facts.map((each, n) => candidate(n, each))
      for (const [prune, isFree] of [
        [pruneYoungest, (each: PruneCandidate) => !each.isTrusted],
        [pruneByValue, (each: PruneCandidate) => !each.isTrusted && !each.isKept],
      ] as const) {
        const chosen = names(prune, all, excess, excessConnections).map((n) => all[n])
        expect(new Set(chosen).size).toBe(chosen.length)
        expect(chosen.every((each) => each !== undefined && isFree(each))).toBe(true)
        const count = (list: typeof chosen): number => list.reduce((sum, each) => sum + (each?.connections.length ?? 0), 0)
        const isEnough = chosen.length >= excess && count(chosen) >= excessConnections
        expect(isEnough || chosen.length === all.filter(isFree).length).toBe(true)
        const butOne = chosen.slice(0, -1)
        if (chosen.length > 0) expect(butOne.length < excess || count(butOne) < excessConnections).toBe(true)
      }
    }),
    { numRuns: 300, seed: 20261121 },
  )
})
