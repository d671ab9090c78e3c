import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, it } from 'vitest'
import { ipOf, isRelayed, peerIdAt, stackOf, withoutPeer, withPeer } from './address.ts'
import { portableCurve } from './curve.ts'
import { peerIdOf } from './peer-id.ts'
import { registerRlpx } from './rlpx-multiaddr.ts'

registerRlpx()
const peer = (fill: number) => peerIdOf(portableCurve.compress(portableCurve.publicKey(new Uint8Array(32).fill(fill))))
const [alice, relay] = [peer(1), peer(2)]
const plain = multiaddr('/ip4/127.0.0.1/tcp/1')
const overRlpx = multiaddr(`/ip6/::ffff:10.0.0.1/tcp/1/rlpx/p2p/${alice}`)
const relayed = multiaddr(`/ip4/10.0.0.1/tcp/1/p2p/${relay}/p2p-circuit/p2p/${alice}`)
const toRelay = multiaddr(`/ip4/10.0.0.1/tcp/1/p2p/${relay}/p2p-circuit`)

describe('what an address says', () => {
  it('tells the stack by rlpx', () => {
    expect([plain, overRlpx, relayed].map(stackOf)).toEqual(['libp2p', 'rlpx', 'libp2p'])
  })

  it('tells the IP of a socket, and none for names and relays', () => {
    const zoned = multiaddr('/ip6zone/eth0/ip6/fe80::1/tcp/1')
    expect([plain, overRlpx, relayed, multiaddr('/dns4/a.example/tcp/1'), zoned].map(ipOf)).toEqual([
      '127.0.0.1',
      '10.0.0.1',
      undefined,
      undefined,
      'fe80::1',
    ])
    const unspecified = ['/ip4/0.0.0.0/tcp/1', '/ip6/::/tcp/1', '/ip6/::ffff:0.0.0.0/tcp/1'].map((address) => ipOf(multiaddr(address)))
    expect(unspecified).toEqual(['127.0.0.1', '::1', '127.0.0.1'])
    expect([plain, relayed].map(isRelayed)).toEqual([false, true])
  })

  it('tells the peer that it leads to, not the relay on the way', () => {
    expect([plain, overRlpx, relayed, toRelay].map((address) => peerIdAt(address)?.toString())).toEqual([
      undefined,
      alice.toString(),
      alice.toString(),
      undefined,
    ])
  })
})

describe('the peer at the end', () => {
  it('is put there once, in the place of another', () => {
    expect(withPeer(plain, alice).toString()).toBe(`${plain}/p2p/${alice}`)
    expect(withPeer(withPeer(plain, relay), alice).toString()).toBe(`${plain}/p2p/${alice}`)
    expect(withPeer(relayed, alice)).toBe(relayed)
  })

  it('is taken off', () => {
    expect(withoutPeer(withPeer(plain, alice)).toString()).toBe(plain.toString())
    expect(withoutPeer(plain)).toBe(plain)
    expect(withoutPeer(relayed).toString()).toBe(toRelay.toString())
  })
})
