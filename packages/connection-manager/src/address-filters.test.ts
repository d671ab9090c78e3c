import type { FilterAction } from '@kumiko/interface'
import { multiaddr } from '@multiformats/multiaddr'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { peer } from '../test/fixture.ts'
import { AddressFilterSet } from './address-filters.ts'
import { allowAddresses, filterList, netRestrict } from './filters.ts'
import { filterPoint } from './gater.ts'

const NONSENSE = [
  'nonsense',
  '/ip4/10.0.0.0/ipcidr/33',
  '/ip4/10.0.0.0/tcp/1',
  '/tcp/1',
  '10.0.0.0/8,11.0.0.0/8',
  '',
  '/ip6/fd00::/ipcidr/129',
]

function setOf(...rules: readonly (readonly [mask: string, action: FilterAction])[]): AddressFilterSet {
  const set = new AddressFilterSet()
  for (const [mask, action] of rules) set.addFilter(mask, action)
  return set
}

describe('rules', () => {
  it('are listed by their action, in one form, until they are removed', () => {
    const masks = ['1.2.3.0/24', '/ip4/4.3.2.1', '/ip6/fd00::/ipcidr/8', 'fc00::1/128', '/ip4/10.9.9.9/ipcidr/8']
    const set = setOf(...masks.map((mask) => [mask, 'deny'] as const), ['9.9.9.9', 'accept'])
    expect(set.filtersFor('deny')).toEqual([
      '/ip4/1.2.3.0/ipcidr/24',
      '/ip4/4.3.2.1/ipcidr/32',
      '/ip6/fd00::/ipcidr/8',
      '/ip6/fc00::1/ipcidr/128',
      '/ip4/10.0.0.0/ipcidr/8',
    ])
    expect([set.filtersFor('accept'), set.filtersFor('none')]).toEqual([['/ip4/9.9.9.9/ipcidr/32'], []])
    expect([set.actionFor(multiaddr('/ip4/10.0.0.0/ipcidr/8')), set.actionFor('10.0.0.0/9')]).toEqual(['deny', undefined])
    expect([set.remove('/ip4/10.0.0.0/ipcidr/8'), set.remove('10.0.0.0/8'), set.remove('1.2.3.0/25')]).toEqual([true, false, false])
    expect(set.filtersFor('deny')).toHaveLength(4)
  })

  it('block what the last of them denies, however narrow the others, as in go-libp2p', () => {
    const set = setOf(['10.1.0.0/16', 'accept'], ['10.0.0.0/8', 'deny'])
    expect(set.isBlocked('/ip4/10.1.2.3/tcp/1')).toBe(true)
    set.addFilter('10.1.2.0/24', 'accept')
    expect(['/ip4/10.1.2.3/tcp/1', '/ip4/10.1.3.3/udp/1/quic-v1'].map((address) => set.isBlocked(address))).toEqual([false, true])
    set.addFilter('10.1.0.0/16', 'deny')
    expect(set.isBlocked('/ip4/10.1.2.3/tcp/1/rlpx')).toBe(false)
    expect(set.filtersFor('deny')).toEqual(['/ip4/10.1.0.0/ipcidr/16', '/ip4/10.0.0.0/ipcidr/8'])
    set.addFilter('10.1.2.0/24', 'none')
    set.defaultAction = 'deny'
    expect([set.isBlocked('/ip4/10.1.2.3/tcp/1'), set.isBlocked('/ip4/11.0.0.1/tcp/1')]).toEqual([false, true])
  })

  it('take IPv4-mapped IPv6 for IPv4, in masks and in addresses', () => {
    const set = setOf(['/ip6/::ffff:10.0.0.0/ipcidr/104', 'deny'])
    expect(set.filtersFor('deny')).toEqual(['/ip4/10.0.0.0/ipcidr/8'])
    expect(['/ip6/::ffff:10.1.1.1/tcp/1', '/ip4/10.1.1.1/tcp/1', '/ip6/::1/tcp/1'].map((address) => set.isBlocked(address))).toEqual([
      true,
      true,
      false,
    ])
  })

  it.each(NONSENSE)('want a mask, and "%s" is none', (mask) => {
    const set = new AddressFilterSet()
    const badMask = expect.objectContaining({ code: 'connection-manager/bad-mask' })
    for (const use of [() => set.addFilter(mask, 'deny'), () => set.remove(mask), () => set.actionFor(mask)]) expect(use).toThrow(badMask)
    expect(() => set.addFilter('10.0.0.0/8', 'Deny' as 'deny')).toThrow(expect.objectContaining({ code: 'connection-manager/bad-option' }))
    expect(set.state().filters).toEqual([])
  })

  it('are bounded, and one that is there may be changed at the bound', () => {
    const set = new AddressFilterSet()
    for (let i = 0; i < 4_096; i++) set.addFilter(`10.0.${i >> 8}.${i & 255}`, 'deny')
    expect(() => set.addFilter('11.0.0.0', 'deny')).toThrow(expect.objectContaining({ code: 'connection-manager/too-many-filters' }))
    set.addFilter('10.0.0.0', 'accept')
    expect(set.filtersFor('accept')).toHaveLength(1)
  })

  it('decide as a list that is read from its end, whatever is added and removed', () => {
    const octet = fc.constantFrom(0, 1, 128, 255)
    const ip = fc.tuple(octet, octet).map(([a, b]) => `10.${a}.${b}.1`)
    const mask = fc.tuple(ip, fc.constantFrom(8, 9, 16, 17, 24, 32)).map(([text, bits]) => ({ text, bits }))
    const action = fc.constantFrom('none' as const, 'accept' as const, 'deny' as const)
    const edit = fc.record({ mask, action, isRemoval: fc.boolean() })
    const bitsOf = (text: string): string =>
      text
        .split('.')
        .map((part) => Number(part).toString(2).padStart(8, '0'))
        .join('')
    fc.assert(
      fc.property(fc.array(edit, { maxLength: 30 }), ip, action, (edits, address, defaultAction) => {
        const set = new AddressFilterSet()
        set.defaultAction = defaultAction
        let model: { prefix: string; action: FilterAction }[] = []
        for (const each of edits) {
          const prefix = bitsOf(each.mask.text).slice(0, each.mask.bits)
          const known = model.find((rule) => rule.prefix === prefix)
          const text = `${each.mask.text}/${each.mask.bits}`
          if (each.isRemoval) {
            expect(set.remove(text)).toBe(known !== undefined)
            model = model.filter((rule) => rule !== known)
            continue
          }
          set.addFilter(text, each.action)
          if (known === undefined) model.push({ prefix, action: each.action })
          else known.action = each.action
        }
        const last = model.findLast(({ prefix }) => bitsOf(address).startsWith(prefix))
        expect(set.isBlocked(`/ip4/${address}/tcp/1`)).toBe((last?.action ?? defaultAction) === 'deny')
        const copy = new AddressFilterSet()
        copy.replace(set.state())
        expect(copy.state()).toEqual(set.state())
      }),
      { numRuns: 300, seed: 20261121 },
    )
  })
})

describe('in a filter list', () => {
  const verdicts = (list: ReturnType<typeof filterList>, ...addresses: readonly string[]) =>
    addresses.map((address) => list.decide(filterPoint('dial', 'outbound', multiaddr(address))))
  const RELAYED = `/ip4/10.0.0.1/tcp/1/p2p/${peer(1)}/p2p-circuit/p2p/${peer(2)}`

  it('deny before the rules are asked, and accept behind them', () => {
    const masks = setOf(['10.0.0.0/8', 'accept'], ['10.6.0.0/16', 'deny'])
    const list = filterList([netRestrict(['10.0.0.0/9'])], undefined, masks)
    list.defaultVerdict = 'deny'
    expect(verdicts(list, '/ip4/10.1.1.1/tcp/1', '/ip4/10.6.1.1/tcp/1', '/ip4/10.200.1.1/tcp/1', '/ip4/11.0.0.1/tcp/1')).toEqual([
      'accept',
      'deny',
      'deny',
      'deny',
    ])
    const open = filterList([() => 'accept'], undefined, masks)
    expect(verdicts(open, '/ip4/10.6.1.1/tcp/1')).toEqual(['deny'])
  })

  it('deny by default what has no IP, too, unless a rule of its own accepts it', () => {
    const masks = setOf(['10.0.0.0/8', 'accept'], ['10.7.0.0/16', 'none'])
    masks.defaultAction = 'deny'
    const addresses = [RELAYED, '/memory/1', '/dns4/a.example/tcp/1', '/ip4/11.0.0.1/tcp/1', '/ip4/10.0.0.1/tcp/1', '/ip4/10.7.0.1/tcp/1']
    expect(verdicts(filterList([], undefined, masks), ...addresses)).toEqual(['deny', 'deny', 'deny', 'deny', 'accept', 'accept'])
    const list = filterList([allowAddresses('p2p-circuit'), allowAddresses('dns4')], undefined, masks)
    expect(verdicts(list, ...addresses)).toEqual(['accept', 'deny', 'accept', 'deny', 'accept', 'accept'])
    const strict = filterList([], undefined, setOf(['10.0.0.0/8', 'accept']))
    strict.defaultVerdict = 'deny'
    expect(verdicts(strict, ...addresses)).toEqual(['deny', 'deny', 'deny', 'deny', 'accept', 'accept'])
  })
})
