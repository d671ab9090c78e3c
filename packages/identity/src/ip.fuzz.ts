import { BlockList, isIPv4, isIPv6 } from 'node:net'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatIp, parseIp } from './ip.ts'
import { DistinctNetSet, parseNetList, sameNet } from './net.ts'

const ip4 = fc.uint8Array({ minLength: 4, maxLength: 4 })
/** Zeros are common, so that runs of them are. */
const ip6 = fc.array(fc.oneof(fc.constant(0), fc.nat(255)), { minLength: 16, maxLength: 16 }).map((all) => Uint8Array.from(all))
const ip = fc.oneof(ip4, ip6)
const text = fc.oneof(
  fc.string({ unit: fc.constantFrom(...'0123456789abcF:::...%[]/ '), maxLength: 45 }),
  fc.ipV4(),
  fc.ipV6(),
  fc.string(),
)

test('the text of an address is read back, and is what URLs write', () => {
  fc.assert(
    fc.property(ip, (bytes) => {
      const isMapped = bytes.length === 16 && formatIp(bytes).includes('.')
      expect(parseIp(formatIp(bytes))).toEqual(isMapped ? bytes.slice(12) : bytes)
      if (bytes.length === 16 && !isMapped) expect(new URL(`http://[${formatIp(bytes)}]`).hostname).toBe(`[${formatIp(bytes)}]`)
    }),
    { numRuns: 2000 },
  )
})

test('any text is an address exactly where Node says so', () => {
  fc.assert(
    fc.property(text, (input) => {
      expect(parseIp(input) !== undefined).toBe(isIPv4(input) || (isIPv6(input) && !input.includes('%')))
    }),
    { numRuns: 5000 },
  )
})

test('networks hold what Node says they hold', () => {
  fc.assert(
    fc.property(ip4, ip4, fc.nat(32), fc.nat(32), (network, other, prefix, shared) => {
      const near = network.map((byte, i) => (i * 8 < shared ? byte : (other[i] ?? 0)))
      const list = new BlockList()
      list.addSubnet(formatIp(network), prefix, 'ipv4')
      expect(parseNetList(`${formatIp(network)}/${prefix}`).contains(near)).toBe(list.check(formatIp(near), 'ipv4'))
    }),
  )
})

test('a distinct-net set agrees with sameNet, and gives back what it took', () => {
  fc.assert(
    fc.property(fc.array(ip4, { maxLength: 30 }), fc.nat(32), fc.integer({ min: 1, max: 3 }), (ips, prefix, limit) => {
      const set = new DistinctNetSet(prefix, limit)
      const taken: Uint8Array[] = []
      for (const one of ips) {
        const isFull = taken.filter((other) => sameNet(prefix, one, other)).length >= limit
        expect(set.add(one)).toBe(!isFull)
        if (!isFull) taken.push(one)
      }
      expect(set.size).toBe(taken.length)
      for (const one of taken) set.remove(one)
      expect(set.size).toBe(0)
      expect(ips.some((one) => set.contains(one))).toBe(false)
    }),
  )
})
