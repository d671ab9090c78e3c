import { registerRlpx } from '@kumiko/identity'
import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, test } from 'vitest'
import { type KnownAddress, rankAddresses, rankBySorter } from './rank.ts'

registerRlpx()

const RELAY = 'QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSupNKC'

function known(address: string, more: Partial<KnownAddress> = {}): KnownAddress {
  return { multiaddr: multiaddr(address), isCertified: false, ...more }
}

/** Each address with its delay. */
function ranked(...addresses: (string | KnownAddress)[]): [number, string][] {
  const all = addresses.map((each) => (typeof each === 'string' ? known(each) : each))
  return rankAddresses(all).map((each) => [each.delayMs, each.multiaddr.toString()])
}

describe('the ranking', () => {
  test('puts IPv6 first, then the families by turns, 250 ms apart', () => {
    expect(ranked('/ip4/1.1.1.1/tcp/1', '/ip4/1.1.1.2/tcp/1', '/dns/a.org/tcp/1', '/ip6/2600::1/tcp/1', '/ip6/2600::2/tcp/1')).toEqual([
      [0, '/ip6/2600::1/tcp/1'],
      [250, '/ip4/1.1.1.1/tcp/1'],
      [500, '/dns/a.org/tcp/1'],
      [750, '/ip6/2600::2/tcp/1'],
      [1000, '/ip4/1.1.1.2/tcp/1'],
    ])
  })

  test('puts QUIC first, then WebTransport, TCP, WebSocket, WebRTC, and what it does not know', () => {
    const best = ['udp/1/quic-v1', 'udp/1/quic-v1/webtransport', 'tcp/1', 'tcp/1/ws', 'udp/1/webrtc-direct', 'udp/1']
    const addresses = best.map((rest) => `/ip4/1.1.1.1/${rest}`)
    expect(ranked(...addresses.toReversed()).map(([, address]) => address)).toEqual(addresses)
  })

  test('puts public before private ones, which are 30 ms apart', () => {
    expect(ranked('/ip4/127.0.0.1/tcp/1', '/ip6/fe80::1/tcp/1', '/ip4/8.8.8.8/tcp/30303/rlpx', '/ip4/10.0.0.1/tcp/1')).toEqual([
      [0, '/ip4/8.8.8.8/tcp/30303/rlpx'],
      [250, '/ip6/fe80::1/tcp/1'],
      [280, '/ip4/127.0.0.1/tcp/1'],
      [310, '/ip4/10.0.0.1/tcp/1'],
    ])
  })

  test('puts relays half a second after the last direct address, and keeps them waiting for no more than four staggers', () => {
    const direct = Array.from({ length: 7 }, (_, i) => `/ip4/1.1.1.${i + 1}/tcp/1`)
    const relays = [1, 2].map((i) => `/ip4/1.1.1.1/udp/${i}/quic-v1/p2p/${RELAY}/p2p-circuit`)
    expect(ranked(...relays, ...direct)).toEqual([
      ...direct.map((address, i) => [Math.min(250 * i, 1000), address]),
      [1500, relays[0]],
      [1750, relays[1]],
    ])
    expect(ranked(...relays).map(([delayMs]) => delayMs)).toEqual([0, 250])
  })

  test('puts first what has led to the peer before, the latest first, a private address too', () => {
    const relay = known(`/ip4/1.1.1.1/tcp/1/p2p/${RELAY}/p2p-circuit`, { lastSuccess: 9 })
    const addresses = [relay, known('/ip4/1.1.1.1/tcp/1'), known('/ip4/10.0.0.1/tcp/1', { lastSuccess: 7 })]
    expect(ranked(...addresses, known('/ip4/1.1.1.2/tcp/1', { lastSuccess: 8 })).map(([, address]) => address)).toEqual([
      '/ip4/1.1.1.2/tcp/1',
      '/ip4/10.0.0.1/tcp/1',
      '/ip4/1.1.1.1/tcp/1',
      relay.multiaddr.toString(),
    ])
  })

  test('puts certified before uncertified ones', () => {
    const certified = known('/ip4/1.1.1.2/tcp/1', { isCertified: true })
    expect(ranked('/ip6/2600::1/udp/1/quic-v1', certified).map(([, address]) => address)).toEqual([
      '/ip4/1.1.1.2/tcp/1',
      '/ip6/2600::1/udp/1/quic-v1',
    ])
  })

  test('puts what failed lately last, behind relays', () => {
    const failed = known('/ip4/1.1.1.1/tcp/1', { hasFailedLately: true })
    const relay = `/ip4/1.1.1.1/tcp/1/p2p/${RELAY}/p2p-circuit`
    expect(ranked(failed, relay, '/ip4/1.1.1.2/tcp/1')).toEqual([
      [0, '/ip4/1.1.1.2/tcp/1'],
      [500, relay],
      [1000, '/ip4/1.1.1.1/tcp/1'],
    ])
  })

  test('tries once what comes twice, certified if it is so anywhere', () => {
    const twice = [known('/ip4/1.1.1.1/tcp/1', { lastSuccess: 3 }), known('/ip4/1.1.1.1/tcp/1', { isCertified: true })]
    expect(rankAddresses(twice)).toEqual([{ ...twice[0], isCertified: true, delayMs: 0 }])
  })

  test("may be another's comparison", () => {
    const rank = rankBySorter((a, b) => (a.multiaddr.toString() < b.multiaddr.toString() ? 1 : -1), { staggerMs: 10 })
    expect(rank(['/ip4/1.1.1.1/tcp/1', '/ip4/1.1.1.2/tcp/1'].map((address) => known(address)))).toMatchObject([
      { multiaddr: multiaddr('/ip4/1.1.1.2/tcp/1'), delayMs: 0 },
      { multiaddr: multiaddr('/ip4/1.1.1.1/tcp/1'), delayMs: 10 },
    ])
  })
})
