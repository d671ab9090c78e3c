import { registerRlpx } from '@kumiko/identity'
import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, it } from 'vitest'
import { peer } from '../test/fixture.ts'
import { allowNet, denyNet, denyPeer, filterList, maskFilter, netRestrict } from './filters.ts'
import { filterPoint, gaterOf } from './gater.ts'

registerRlpx()

const at = (address: string, peerId = undefined as ReturnType<typeof peer> | undefined) =>
  filterPoint('dial', 'outbound', multiaddr(address), peerId)

describe('filterList', () => {
  it('asks in order until a rule has an opinion', () => {
    const asked: string[] = []
    const list = filterList([
      () => void asked.push('first'),
      () => {
        asked.push('second')
        return 'accept'
      },
      () => {
        asked.push('third')
        return 'deny'
      },
    ])
    expect(list.decide(at('/ip4/1.2.3.4/tcp/1'))).toBe('accept')
    expect(asked).toEqual(['first', 'second'])
  })

  it('falls back on the default, which may be set', () => {
    const list = filterList([allowNet('10.0.0.0/8')])
    expect(list.decide(at('/ip4/1.2.3.4/tcp/1'))).toBe('accept')
    list.defaultVerdict = 'deny'
    expect(list.decide(at('/ip4/1.2.3.4/tcp/1'))).toBe('deny')
    expect(list.decide(at('/ip4/10.2.3.4/tcp/1'))).toBe('accept')
  })

  it('takes nothing but accept for an acceptance', () => {
    const strange = [Promise.resolve('accept'), true, null, 'Accept'].map((word) => filterList([() => word as 'accept']))
    expect(strange.map((list) => list.decide(at('/ip4/1.2.3.4/tcp/1')))).toEqual(['deny', 'deny', 'deny', 'deny'])
  })

  it('may be edited while running, by a rule that is being asked too', () => {
    const list = filterList()
    const deny = denyNet('1.2.3.0/24')
    const cancel = list.add(deny)
    list.add(() => {
      cancel()
      return undefined
    })
    const address = at('/ip4/1.2.3.4/tcp/1')
    expect([list.decide(address), list.list().length]).toEqual(['deny', 2])
    list.decide(at('/ip4/9.9.9.9/tcp/1'))
    expect([list.decide(address), list.list().length, list.remove(deny)]).toEqual(['accept', 1, false])
  })

  it('takes a rule that throws for a denial, and tells of it', () => {
    const errors: unknown[] = []
    const list = filterList(
      [
        () => {
          throw new Error('broken')
        },
        () => 'accept',
      ],
      (error) => errors.push(error),
    )
    expect(list.decide(at('/ip4/1.2.3.4/tcp/1'))).toBe('deny')
    expect(errors).toEqual([new Error('broken')])
  })
})

describe('ready rules', () => {
  it('netRestrict denies all outside, names and relays too', () => {
    const rule = netRestrict(['10.0.0.0/8', 'fd00::/8'])
    const relayed = `/ip4/10.0.0.1/tcp/1/p2p/${peer(1)}/p2p-circuit/p2p/${peer(2)}`
    const addresses = [
      '/ip4/10.1.1.1/tcp/1',
      '/ip6/::ffff:10.1.1.1/tcp/1',
      '/ip6/fd00::1/tcp/1',
      '/ip4/11.1.1.1/tcp/1',
      '/dns4/a.example/tcp/1',
      relayed,
    ]
    expect(addresses.map((address) => rule(at(address)))).toEqual([undefined, undefined, undefined, 'deny', 'deny', 'deny'])
  })

  it('allowNet, denyNet and masks have a word on their network only', () => {
    const rules = [
      allowNet('10.0.0.0/8'),
      denyNet('10.0.0.7'),
      maskFilter('/ip4/10.0.0.0/ipcidr/8', 'deny'),
      maskFilter('/ip6/fd00::1', 'accept'),
    ]
    const verdicts = (address: string) => rules.map((rule) => rule(at(address)))
    expect(verdicts('/ip4/10.0.0.7/tcp/1/rlpx')).toEqual(['accept', 'deny', 'deny', undefined])
    expect(verdicts('/ip6/fd00::1/udp/1/quic-v1')).toEqual([undefined, undefined, undefined, 'accept'])
    expect(verdicts('/dns4/a.example/tcp/1')).toEqual(Array(4).fill(undefined))
  })

  it('denyPeer knows a peer in an address and by any of its names', () => {
    const addressed = `/ip4/1.2.3.4/tcp/1/p2p/${peer(1)}`
    for (const name of [peer(1), peer(1).toString(), addressed, multiaddr(addressed)]) {
      expect([
        denyPeer(name)(at(addressed)),
        denyPeer(name)(at('/ip4/1.2.3.4/tcp/1')),
        denyPeer(name)(at('/ip4/1.2.3.4/tcp/1', peer(2))),
      ]).toEqual(['deny', undefined, undefined])
    }
  })

  it.each([
    () => maskFilter('/ip4/10.0.0.0/tcp/1', 'deny'),
    () => maskFilter('/ip4/10.0.0.0/ipcidr/33', 'deny'),
    () => maskFilter('nonsense', 'deny'),
    () => denyNet('10.0.0.0/8,11.0.0.0/8'),
    () => denyNet('10.0.0'),
    () => netRestrict(['10.0.0.0/40']),
    () => denyPeer('/ip4/1.2.3.4/tcp/1'),
    () => denyPeer('enode://00@1.2.3.4:1'),
  ])('%s is misuse', (make) => {
    expect(make).toThrow(expect.objectContaining({ name: 'KumikoError' }))
  })
})

it('gaterOf asks the list at each of the hooks', async () => {
  const list = filterList([
    ({ stage, direction, ip, peerId }) =>
      ip === `${direction === 'inbound' ? 1 : 2}.0.0.${['dial', 'accept', 'encrypted', 'upgraded'].indexOf(stage)}` &&
      (stage === 'accept' || peerId?.equals(peer(1)) === true)
        ? 'deny'
        : undefined,
  ])
  const gater = gaterOf(list)
  const socket = (ip: string) => ({ remoteAddr: multiaddr(`/ip4/${ip}/tcp/1`) }) as never
  expect(gater.denyDialMultiaddr?.(multiaddr(`/ip4/2.0.0.0/tcp/1/p2p/${peer(1)}`))).toBe(true)
  expect(gater.denyDialMultiaddr?.(multiaddr('/ip4/2.0.0.0/tcp/1'))).toBe(false)
  expect(gater.denyInboundConnection?.(socket('1.0.0.1'))).toBe(true)
  expect(gater.denyOutboundConnection?.(peer(1), socket('2.0.0.0'))).toBe(true)
  expect(gater.denyInboundEncryptedConnection?.(peer(1), socket('1.0.0.2'))).toBe(true)
  expect(gater.denyOutboundEncryptedConnection?.(peer(1), socket('2.0.0.2'))).toBe(true)
  expect(gater.denyInboundUpgradedConnection?.(peer(1), socket('1.0.0.3'))).toBe(true)
  expect(gater.denyOutboundUpgradedConnection?.(peer(1), socket('2.0.0.3'))).toBe(true)
  expect(gater.denyOutboundUpgradedConnection?.(peer(2), socket('2.0.0.3'))).toBe(false)
})
