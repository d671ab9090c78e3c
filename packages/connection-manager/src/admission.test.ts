import { isRefusal } from '@kumiko/interface'
import { describe, expect, it } from 'vitest'
import { Bench, outcomeOf, peer, SELF, taken } from '../test/fixture.ts'
import { denyNet } from './filters.ts'

const NOTHING = { pendingInbound: 0, pendingOutbound: 0, peers: 0, inboundPeers: 0, connections: 0 }

describe('maxPeers', () => {
  it('refuses the peer beyond, until one goes', () => {
    const bench = new Bench({ maxPeers: 2 })
    const first = taken(bench.connect({ peer: 1 }))
    expect(bench.outcome({ peer: 2, direction: 'outbound' })).toBe('admitted')
    expect(bench.outcome({ peer: 3 })).toBe('too-many-peers: too-many-peers')
    expect(bench.outcome({ peer: 3, direction: 'outbound' })).toBe('too-many-peers: too-many-peers')
    first.release()
    expect(bench.outcome({ peer: 3 })).toBe('admitted')
  })

  it('counts a peer on both stacks once', () => {
    const bench = new Bench({ maxPeers: 1 })
    const rlpx = taken(bench.connect({ peer: 1, stack: 'rlpx' }))
    const libp2p = taken(bench.connect({ peer: 1, stack: 'libp2p' }))
    expect(bench.slots.counts()).toMatchObject({ peers: 1, connections: 2 })
    rlpx.release()
    expect(bench.outcome({ peer: 2 })).toBe('too-many-peers: too-many-peers')
    libp2p.release()
    expect(bench.slots.counts()).toEqual(NOTHING)
  })

  it('is passed by trusted peers, which take up room, and by static ones that we dial', () => {
    const bench = new Bench({ maxPeers: 1 })
    for (const n of [1, 2]) bench.policy.trusted.add(peer(n).toString())
    for (const n of [3, 4]) bench.policy.static.add(peer(n).toString())
    expect(bench.outcome({ peer: 1 })).toBe('admitted')
    expect(bench.outcome({ peer: 2 })).toBe('admitted')
    expect(bench.outcome({ peer: 3, direction: 'outbound' })).toBe('admitted')
    expect(bench.outcome({ peer: 4, direction: 'inbound' })).toBe('too-many-peers: too-many-peers')
    expect(bench.outcome({ peer: 5, direction: 'outbound' })).toBe('too-many-peers: too-many-peers')
    expect(bench.slots.excess()).toBe(0)
  })

  it('is asked again at the second checkpoint', () => {
    const bench = new Bench({ maxPeers: 1 })
    const early = taken(bench.begin({ peer: 1 }))
    const late = taken(bench.begin({ peer: 2 }))
    expect(outcomeOf(early.encrypted(peer(1)))).toBe('admitted')
    expect(outcomeOf(late.encrypted(peer(2)))).toBe('admitted')
    expect(outcomeOf(late.upgraded(['/eth/69']))).toBe('admitted')
    expect(outcomeOf(early.upgraded(['/eth/69']))).toBe('too-many-peers: too-many-peers')
  })
})

describe('inbound cap', () => {
  it('keeps room for peers that we dial', () => {
    const bench = new Bench({ maxPeers: 3, maxDialed: 1 })
    expect(bench.outcome({ peer: 1 })).toBe('admitted')
    expect(bench.outcome({ peer: 2 })).toBe('admitted')
    expect(bench.outcome({ peer: 3 })).toBe('too-many-peers: too-many-inbound')
    bench.policy.trusted.add(peer(4).toString())
    expect(bench.outcome({ peer: 4 })).toBe('admitted')
    expect(bench.outcome({ peer: 3, direction: 'outbound' })).toBe('too-many-peers: too-many-peers')
  })

  it('counts a dialed peer that also connects to us as dialed', () => {
    const bench = new Bench({ maxPeers: 2, maxDialed: 1 })
    const dialed = taken(bench.connect({ peer: 1, direction: 'outbound', stack: 'libp2p' }))
    taken(bench.connect({ peer: 1, direction: 'inbound', stack: 'rlpx' }))
    dialed.release()
    expect(bench.outcome({ peer: 2 })).toBe('admitted')
  })

  it('is no cap where maxPeers is without bound', () => {
    const bench = new Bench({ maxPeers: Number.POSITIVE_INFINITY, maxDialed: Number.POSITIVE_INFINITY })
    expect(bench.outcome({ peer: 1 })).toBe('admitted')
  })
})

it('a connection that has ended counts in all, and no longer as its peer’s', () => {
  const bench = new Bench()
  const ticket = taken(bench.connect({ peer: 1 }))
  ticket.traffic.bytes('received', 7)
  expect(bench.traffic.peer(peer(1).toString()).bytesReceived).toBe(7)
  ticket.release()
  ticket.traffic.bytes('received', 7)
  expect([bench.traffic.peer(peer(1).toString()).bytesReceived, bench.traffic.total().bytesReceived]).toEqual([0, 7])
})

describe('pending slots', () => {
  it('are not all for one address, or one /64, that goes no further', async () => {
    const bench = new Bench({ maxPendingPeers: 8 }, false, { perIp: { count: 99, intervalMs: 1_000 } })
    const from = (ip: string): ReturnType<Bench['begin']> => bench.begin({ peer: 1, ip, stack: 'libp2p' })
    const [first] = [from('8.8.8.8'), from('8.8.8.8')].map(taken)
    for (const ip of ['2600::1', '2600::2']) taken(from(ip))
    for (const ip of ['8.8.8.8', '::ffff:8.8.8.8', '2600::3']) expect(outcomeOf(from(ip))).toBe('too-many-peers: too-many-pending')
    for (const ip of ['127.0.0.1', '127.0.0.1', '127.0.0.1', '9.9.9.9']) taken(from(ip))
    first?.release()
    taken(from('8.8.8.8'))
    expect(bench.slots.counts().pendingInbound).toBe(8)
  })

  it('are counted apart for each direction and given back once', () => {
    const bench = new Bench({ maxPendingPeers: 1 })
    const inbound = taken(bench.begin({ peer: 1 }))
    taken(bench.begin({ peer: 2, direction: 'outbound' }))
    expect(outcomeOf(bench.begin({ peer: 3 }))).toBe('too-many-peers: too-many-pending')
    expect(outcomeOf(bench.begin({ peer: 3, direction: 'outbound' }))).toBe('too-many-peers: too-many-pending')
    inbound.release()
    inbound.release()
    expect(bench.slots.counts()).toMatchObject({ pendingInbound: 0, pendingOutbound: 1 })
    taken(bench.begin({ peer: 3 }))
    expect(outcomeOf(bench.begin({ peer: 4 }))).toBe('too-many-peers: too-many-pending')
  })

  it('are passed by a trusted peer that we dial', () => {
    const bench = new Bench({ maxPendingPeers: 0 })
    bench.policy.trusted.add(peer(1).toString())
    expect(bench.outcome({ peer: 1, direction: 'outbound' })).toBe('admitted')
  })

  it('come back when the connection is admitted', () => {
    const bench = new Bench({ maxPendingPeers: 1 })
    expect(bench.outcome({ peer: 1 })).toBe('admitted')
    expect(bench.outcome({ peer: 2 })).toBe('admitted')
  })
})

describe('identity', () => {
  it('refuses ourselves, at once where we know it', () => {
    const bench = new Bench()
    const ticket = taken(bench.begin({ peer: 1 }))
    expect(outcomeOf(ticket.encrypted(SELF))).toBe('connected-to-self: connected-to-self')
    expect(outcomeOf(bench.begin({ peer: 9_999, direction: 'outbound' }))).toBe('connected-to-self: connected-to-self')
  })

  it('refuses another than was dialed, or than was proven before', () => {
    const bench = new Bench()
    expect(bench.outcome({ peer: 1, meant: 2, direction: 'outbound' })).toBe('unexpected-identity: unexpected-identity')
    expect(bench.outcome({ peer: 1, meant: undefined, direction: 'outbound' })).toBe('admitted')
    const ticket = taken(bench.begin({ peer: 3 }))
    expect(outcomeOf(ticket.encrypted(peer(3)))).toBe('admitted')
    expect(outcomeOf(ticket.encrypted(peer(4)))).toBe('unexpected-identity: unexpected-identity')
  })

  it('refuses a second RLPx connection: of two dials at once, the first that is upgraded stays', () => {
    const bench = new Bench()
    const ours = taken(bench.begin({ peer: 1, direction: 'outbound' }))
    const theirs = taken(bench.begin({ peer: 1 }))
    expect(outcomeOf(ours.encrypted(peer(1)) ?? theirs.encrypted(peer(1)))).toBe('admitted')
    expect(outcomeOf(theirs.upgraded(['/eth/69']))).toBe('admitted')
    expect(outcomeOf(ours.upgraded(['/eth/69']))).toBe('already-connected: already-connected')
    expect(outcomeOf(bench.begin({ peer: 1, direction: 'outbound' }))).toBe('already-connected: already-connected')
  })

  it('refuses a useless peer on RLPx only', () => {
    const bench = new Bench()
    expect(bench.outcome({ peer: 1, protocols: [] })).toBe('useless-peer: useless-peer')
    expect(bench.outcome({ peer: 1, protocols: [], stack: 'libp2p' })).toBe('admitted')
  })

  it('refuses steps out of order, and after the end', () => {
    const bench = new Bench()
    const ticket = taken(bench.begin({ peer: 1 }))
    expect(outcomeOf(ticket.upgraded(['/eth/69']))).toBe('null-identity: not-encrypted')
    ticket.release()
    expect(outcomeOf(ticket.encrypted(peer(1)))).toBe('requested: released')
    expect(outcomeOf(ticket.upgraded(['/eth/69']))).toBe('requested: released')
    expect(bench.slots.counts()).toEqual(NOTHING)
  })
})

describe('a peer that is connecting to us', () => {
  it('is not to be dialed, from the proof of its identity until it is connected or gone', () => {
    const bench = new Bench()
    const [opened, dropped, dialed] = [1, 2, 3].map((n) => taken(bench.begin({ peer: n, direction: n === 3 ? 'outbound' : 'inbound' })))
    expect(bench.awaited).toEqual([])
    for (const [i, ticket] of [opened, dropped, dialed].entries()) ticket?.encrypted(peer(i + 1))
    opened?.encrypted(peer(1))
    expect(bench.awaited).toEqual([peer(1).toString(), peer(2).toString()])
    opened?.upgraded(['/eth/69'])
    opened?.opened()
    dropped?.release()
    dropped?.release()
    expect(bench.awaited).toEqual([])
    dialed?.release()
    opened?.release()
    expect(bench.awaited).toEqual([])
  })
})

describe('limits', () => {
  it.each([
    { limits: { total: 2 }, second: {}, other: undefined },
    { limits: { inbound: 1 }, second: { direction: 'inbound' as const }, other: { direction: 'outbound' as const } },
    { limits: { rlpx: 1 }, second: { stack: 'rlpx' as const }, other: { stack: 'libp2p' as const } },
    { limits: { perIp: 1 }, second: { ip: '10.1.0.1' }, other: { ip: '10.1.0.2' } },
    { limits: { perSubnet: 1 }, second: { ip: '10.1.0.77' }, other: { ip: '10.1.1.77' } },
  ])('holds $limits', ({ limits, second, other }) => {
    const bench = new Bench({ limits })
    const first = taken(bench.connect({ peer: 1 }))
    if (other === undefined) taken(bench.connect({ peer: 1, stack: 'libp2p', direction: 'outbound' }))
    expect(bench.outcome({ peer: 2, ...second })).toBe('too-many-peers: limit-reached')
    if (other !== undefined) expect(bench.outcome({ peer: 3, ...other })).toBe('admitted')
    first.release()
    expect(bench.outcome({ peer: 2, ...second })).toBe('admitted')
  })

  it('takes an IPv6 /64 for one subnet and IPv4-mapped for IPv4', () => {
    const bench = new Bench({ limits: { perSubnet: 1 } })
    expect(bench.outcome({ peer: 1, ip: 'fd00::1' })).toBe('admitted')
    expect(bench.outcome({ peer: 2, ip: 'fd00::ffff:1' })).toBe('too-many-peers: limit-reached')
    expect(bench.outcome({ peer: 3, ip: '10.0.0.1' })).toBe('admitted')
    expect(bench.outcome({ peer: 4, ip: '::ffff:10.0.0.2' })).toBe('too-many-peers: limit-reached')
  })

  it('holds perPeer for libp2p, and is lifted while running and for trusted peers', () => {
    const bench = new Bench({ limits: { perPeer: 2 } })
    const round = { peer: 1, stack: 'libp2p' as const }
    expect([bench.outcome(round), bench.outcome(round)]).toEqual(['admitted', 'admitted'])
    expect(bench.outcome(round)).toBe('already-connected: too-many-of-peer')
    bench.policy.limits.perPeer = 3
    expect(bench.outcome(round)).toBe('admitted')
    expect(bench.outcome(round)).toBe('already-connected: too-many-of-peer')
    bench.policy.trusted.add(peer(1).toString())
    expect(bench.outcome(round)).toBe('admitted')
  })
})

describe('limits.total', () => {
  it('is never passed by dials and inbound connections that race, whatever order they end in', () => {
    const bench = new Bench({ limits: { total: 4 } })
    const tickets = Array.from({ length: 24 }, (_, n) => {
      const stack = n % 3 === 0 ? 'rlpx' : 'libp2p'
      return taken(bench.begin({ peer: n >> 1, stack, direction: n % 2 === 0 ? 'inbound' : 'outbound' }))
    })
    for (const [n, ticket] of tickets.entries()) expect(outcomeOf(ticket.encrypted(peer(n >> 1)))).toBe('admitted')
    const outcomes = tickets.map((ticket) => outcomeOf(ticket.upgraded(['/eth/69'])))
    expect(outcomes.filter((outcome) => outcome === 'admitted')).toHaveLength(4)
    expect(bench.slots.counts()).toMatchObject({ connections: 4 })
    expect(outcomeOf(bench.begin({ peer: 77, direction: 'outbound', stack: 'libp2p' }))).toBe('too-many-peers: limit-reached')
    for (const ticket of tickets) ticket.release()
    expect(bench.slots.counts()).toEqual(NOTHING)
  })

  it('is not passed by static peers, but by trusted ones', () => {
    const bench = new Bench({ limits: { total: 0 } })
    bench.policy.static.add(peer(1).toString())
    bench.policy.trusted.add(peer(2).toString())
    expect(bench.outcome({ peer: 1, direction: 'outbound' })).toBe('too-many-peers: limit-reached')
    expect(bench.outcome({ peer: 2, direction: 'outbound' })).toBe('admitted')
  })
})

describe('limits.perProtocol', () => {
  it('bounds connections that share a capability, with or without its slash, and no streams of it', () => {
    const bench = new Bench({ limits: { perProtocol: { 'eth/69': 1 } } })
    const first = taken(bench.connect({ peer: 1, protocols: ['/eth/68', '/eth/69'] }))
    expect(bench.outcome({ peer: 2, protocols: ['/eth/69', '/snap/1'] })).toBe('too-many-peers: limit-reached')
    expect(bench.outcome({ peer: 2, protocols: ['/eth/68'] })).toBe('admitted')
    expect([1, 2].map(() => isRefusal(first.stream('/eth/69', 'inbound')))).toEqual([false, false])
    first.release()
    bench.policy.limits.perProtocol = { '/eth/69': 1 }
    expect(bench.outcome({ peer: 3 })).toBe('admitted')
    expect(bench.outcome({ peer: 4 })).toBe('too-many-peers: limit-reached')
  })

  it('bounds open streams over all connections in each direction, those opened before it was set among them', () => {
    const bench = new Bench()
    const chat = '/chat/1.0.0'
    const [one, two] = [1, 2].map((n) => taken(bench.connect({ peer: n, stack: 'libp2p' })))
    const open = one?.stream(chat, 'inbound')
    bench.policy.limits.perProtocol = { [chat]: 2 }
    const other = two?.stream(chat, 'inbound')
    expect(two?.stream(chat, 'inbound')).toMatchObject({
      code: 'connection-manager/limit-reached',
      detail: `2 of 2 inbound streams of ${chat}`,
    })
    expect([two?.stream(chat, 'outbound'), two?.stream('/other', 'inbound')].map(isRefusal)).toEqual([false, false])
    if (typeof open === 'function') for (let i = 0; i < 3; i++) open()
    expect([two?.stream(chat, 'inbound'), two?.stream(chat, 'inbound')].map(isRefusal)).toEqual([false, true])
    two?.release()
    if (typeof other === 'function') other()
    expect([bench.streams.count(chat, 'inbound'), bench.streams.size]).toEqual([0, 0])
    expect(two?.stream(chat, 'inbound')).toMatchObject({ code: 'connection-manager/released' })
    expect(bench.failures.failures().refusals['connection-manager/limit-reached']).toBe(2)
  })
})

describe('throttle', () => {
  it('lets an address try once in 30 s, and does not count refusals', async () => {
    const bench = new Bench()
    const round = { peer: 1, ip: '203.0.113.7' }
    taken(bench.begin(round)).release()
    await bench.clock.advance(29_999)
    expect(outcomeOf(bench.begin(round))).toBe('too-many-peers: throttled')
    expect(bench.slots.counts()).toEqual(NOTHING)
    expect(outcomeOf(bench.begin({ ...round, direction: 'outbound' }))).toBe('admitted')
    expect(outcomeOf(bench.begin({ ...round, ip: '203.0.113.8' }))).toBe('admitted')
    await bench.clock.advance(1)
    expect(outcomeOf(bench.begin(round))).toBe('admitted')
  })

  it('takes all addresses of an IPv6 /64 for one, since any host has them all', () => {
    const bench = new Bench()
    const from = (ip: string) => outcomeOf(bench.begin({ peer: 1, ip }))
    expect([from('2a00:1:2:3::1'), from('2a00:1:2:3:ffff::2'), from('2a00:1:2:4::1')]).toEqual([
      'admitted',
      'too-many-peers: throttled',
      'admitted',
    ])
  })

  it('spares loopback and private networks unless told otherwise', () => {
    const round = { peer: 1, ip: '127.0.0.1' }
    const spared = new Bench()
    expect([outcomeOf(spared.begin(round)), outcomeOf(spared.begin(round))]).toEqual(['admitted', 'admitted'])
    const strict = new Bench({}, true)
    expect([outcomeOf(strict.begin(round)), outcomeOf(strict.begin(round))]).toEqual(['admitted', 'too-many-peers: throttled'])
  })
})

describe('inbound rate', () => {
  const libp2p = (ip: string, n = 1) => ({ peer: n, ip, stack: 'libp2p' as const })

  it('lets five libp2p connections a second in from one address, apart from RLPx', async () => {
    const bench = new Bench()
    const outcomes = Array.from({ length: 6 }, () => outcomeOf(bench.begin(libp2p('203.0.113.7'))))
    expect(outcomes).toEqual([...Array(5).fill('admitted'), 'too-many-peers: throttled'])
    expect(bench.slots.counts().pendingInbound).toBe(5)
    expect(outcomeOf(bench.begin({ peer: 1, ip: '203.0.113.7' }))).toBe('admitted')
    expect(outcomeOf(bench.begin(libp2p('203.0.113.8')))).toBe('admitted')
    await bench.clock.advance(200)
    expect([1, 2].map(() => outcomeOf(bench.begin(libp2p('203.0.113.7'))))).toEqual(['admitted', 'too-many-peers: throttled'])
  })

  it('takes an IPv6 /64 for one, spares private networks, and holds the total for them too', () => {
    const one = { count: 1, intervalMs: 1_000 }
    const bench = new Bench({}, false, { perIp: one, total: { count: 3, intervalMs: 1_000 } })
    const from = (ip: string) => outcomeOf(bench.begin(libp2p(ip)))
    expect([from('2a00:1:2:3::1'), from('2a00:1:2:3:ffff::2')]).toEqual(['admitted', 'too-many-peers: throttled'])
    expect([from('10.0.0.1'), from('10.0.0.1'), from('10.0.0.1')]).toEqual(['admitted', 'admitted', 'too-many-peers: throttled'])
    const strict = new Bench({}, true, { perIp: one })
    expect([1, 2].map(() => outcomeOf(strict.begin(libp2p('127.0.0.1'))))).toEqual(['admitted', 'too-many-peers: throttled'])
  })
})

describe('bans and filters', () => {
  it('refuse at each stage, trusted peers too', async () => {
    const bench = new Bench()
    bench.policy.trusted.add(peer(1).toString())
    const ticket = taken(bench.begin({ peer: 1 }))
    bench.bans.add(peer(1).toString(), { until: bench.clock.now() + 1_000 }, bench.clock.now())
    expect(outcomeOf(ticket.encrypted(peer(1)))).toBe('useless-peer: banned')
    expect(outcomeOf(bench.begin({ peer: 1, direction: 'outbound' }))).toBe('useless-peer: banned')
    await bench.clock.advance(1_000)
    expect(outcomeOf(ticket.encrypted(peer(1)))).toBe('admitted')
    bench.filters.add(({ stage, protocols }) => (stage === 'upgraded' && protocols?.includes('/eth/69') ? 'deny' : undefined))
    expect(outcomeOf(ticket.upgraded(['/eth/69']))).toBe('useless-peer: filtered')
  })

  it('tell a filter all that is known at its stage', () => {
    const bench = new Bench()
    const seen: unknown[] = []
    bench.filters.add(({ stage, direction, stack, ip, peerId, protocols }) => {
      seen.push([stage, direction, stack, ip, peerId?.toString(), protocols])
      return undefined
    })
    const name = peer(1).toString()
    bench.connect({ peer: 1, direction: 'outbound' })
    bench.connect({ peer: 1, direction: 'inbound', stack: 'libp2p', protocols: [] })
    expect(seen).toEqual([
      ['dial', 'outbound', 'rlpx', '10.1.0.1', name, undefined],
      ['encrypted', 'outbound', 'rlpx', '10.1.0.1', name, undefined],
      ['upgraded', 'outbound', 'rlpx', '10.1.0.1', name, ['/eth/69']],
      ['accept', 'inbound', 'libp2p', '10.1.0.1', undefined, undefined],
      ['encrypted', 'inbound', 'libp2p', '10.1.0.1', name, undefined],
      ['upgraded', 'inbound', 'libp2p', '10.1.0.1', name, []],
    ])
  })

  it('stop a socket before it takes a slot or starts its pause', () => {
    const bench = new Bench()
    const cancel = bench.filters.add(denyNet('203.0.113.0/24'))
    expect(outcomeOf(bench.begin({ peer: 1, ip: '203.0.113.7' }))).toBe('useless-peer: filtered')
    cancel()
    expect(outcomeOf(bench.begin({ peer: 1, ip: '203.0.113.7' }))).toBe('admitted')
  })
})

it('refuses all that begins once it is closed', () => {
  const bench = new Bench()
  bench.admission.isOpen = false
  expect(outcomeOf(bench.begin({ peer: 1 }))).toBe('client-quitting: stopping')
})
