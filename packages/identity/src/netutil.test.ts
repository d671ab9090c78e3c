import { readFileSync } from 'node:fs'
import { KumikoError } from '@kumiko/interface'
import { describe, expect, test } from 'vitest'
import { formatIp, normalIp, parseIp } from './ip.ts'
import { IpTracker } from './ip-tracker.ts'
import { checkRelayIp, DistinctNetSet, ipScope, isLan, isSpecialNetwork, parseNetList, sameNet } from './net.ts'

type TrackerStep =
  | readonly ['predict', number, string | null]
  | readonly ['statement', number, string, string]
  | readonly ['contact', number, string]
  | readonly ['fullcone', number, boolean]

interface Vectors {
  readonly netlist: readonly { input: string; ok?: string[]; error?: string }[]
  readonly isLAN: { true: string[]; false: string[] }
  readonly isSpecial: { true: string[]; false: string[] }
  readonly checkRelay: readonly { sender: string; addr: string; error: string | null }[]
  readonly sameNet: readonly [string, string, number, boolean][]
  readonly distinctNetSet: { subnet: number; limit: number; ops: ['add' | 'remove', string, boolean | null][] }
  readonly ipTracker: { windowMs: number; contactWindowMs: number; minStatements: number; tests: Record<string, TrackerStep[]> }
  readonly localNodeDefaults: { iptrackMinStatements: number; iptrackWindowMs: number; iptrackContactWindowMs: number }
}

const vectors = JSON.parse(readFileSync(new URL('../vectors/netutil.json', import.meta.url), 'utf8')) as Vectors

test.each(vectors.netlist)('net list "$input"', ({ input, ok, error }) => {
  if (ok !== undefined) expect(parseNetList(input).toString()).toBe(ok.join(','))
  if (error === undefined) return
  expect(() => parseNetList(input)).toThrow(KumikoError)
  expect(() => parseNetList(input)).toThrow(/prefix length/)
})

test.each([...vectors.isLAN.true.map((ip) => [ip, true]), ...vectors.isLAN.false.map((ip) => [ip, false])] as [string, boolean][])(
  'isLan %s: %s',
  (ip, want) => expect(isLan(ip)).toBe(want),
)

test.each([...vectors.isSpecial.true.map((ip) => [ip, true]), ...vectors.isSpecial.false.map((ip) => [ip, false])] as [string, boolean][])(
  'isSpecialNetwork %s: %s',
  (ip, want) => expect(isSpecialNetwork(ip)).toBe(want),
)

test.each(vectors.checkRelay)('checkRelayIp $sender tells of $addr: $error', ({ sender, addr, error }) => {
  expect(checkRelayIp(sender, addr) ?? null).toBe(error)
})

test.each(vectors.sameNet)('sameNet %s %s /%i: %s', (a, b, bits, want) => {
  expect(sameNet(bits, a, b)).toBe(want)
  expect(sameNet(bits, b, a)).toBe(want)
})

test('DistinctNetSet', () => {
  const set = new DistinctNetSet(vectors.distinctNetSet.subnet, vectors.distinctNetSet.limit)
  for (const [op, ip, want] of vectors.distinctNetSet.ops) {
    if (op === 'add') expect(set.add(ip), ip).toBe(want)
    else set.remove(ip)
    expect(set.contains(ip)).toBe(true)
  }
  expect(set.size).toBe(6)
})

test.each(Object.entries(vectors.ipTracker.tests))('IpTracker %s', (_name, steps) => {
  const { minStatements, windowMs, contactWindowMs } = vectors.ipTracker
  const tracker = new IpTracker({ statementsMin: minStatements, windowMs, contactWindowMs })
  for (const step of steps) {
    if (step[0] === 'predict') {
      const seen = tracker.predictEndpoint(step[1])
      expect(seen === undefined ? null : `${seen.ip}:${seen.udp}`).toBe(step[2])
    } else if (step[0] === 'statement') {
      const [ip = '', udp] = step[2].split(':')
      tracker.addStatement(step[3], { ip, udp: Number(udp) }, step[1])
    } else if (step[0] === 'contact') tracker.addContact(step[2], step[1])
    else expect(tracker.predictFullCone(step[1])).toBe(step[2])
  }
})

describe('IpTracker', () => {
  const endpoint = { ip: '1.2.3.4', udp: 1 }

  test('by default asks for as many statements, within as long, as the vectors say', () => {
    const { iptrackMinStatements, iptrackWindowMs, iptrackContactWindowMs } = vectors.localNodeDefaults
    const tracker = new IpTracker()
    for (let i = 1; i < iptrackMinStatements; i++) tracker.addStatement(`10.0.0.${i}`, endpoint, 0)
    expect(tracker.predictEndpoint(0)).toBeUndefined()
    tracker.addStatement('10.0.0.99', endpoint, 0)
    expect(tracker.predictEndpoint(iptrackWindowMs)).toEqual(endpoint)
    expect(tracker.predictEndpoint(iptrackWindowMs + 1)).toBeUndefined()
    tracker.addContact('10.0.0.1', 1)
    tracker.addStatement('10.0.0.1', endpoint, iptrackContactWindowMs)
    expect(tracker.predictFullCone(iptrackContactWindowMs)).toBe(false)
    expect(tracker.predictFullCone(iptrackContactWindowMs + 2)).toBe(true)
  })

  test('one remote counts once, and the most frequent endpoint wins', () => {
    const tracker = new IpTracker({ statementsMin: 2 })
    for (let i = 0; i < 9; i++) tracker.addStatement('10.0.0.1', endpoint, i)
    expect(tracker.predictEndpoint(9)).toBeUndefined()
    for (let i = 2; i < 4; i++) tracker.addStatement(`10.0.0.${i}`, endpoint, 10)
    for (let i = 4; i < 6; i++) tracker.addStatement(`10.0.0.${i}`, { ip: '1.2.3.4', udp: 2 }, 10)
    expect(tracker.predictEndpoint(10)).toEqual(endpoint)
  })

  test('a flood of remotes pushes out the oldest', () => {
    const tracker = new IpTracker({ statementsMin: 1 })
    tracker.addStatement('first', { ip: '9.9.9.9', udp: 9 }, 0)
    for (let i = 0; i < 1024; i++) tracker.addStatement(`${i}`, { ip: '1.2.3.4', udp: i }, 0)
    expect(tracker.predictEndpoint(0)).toEqual({ ip: '1.2.3.4', udp: 0 })
  })
})

test.each([
  ['1.2.3.4', '1.2.3.4'],
  ['::', '::'],
  ['::1', '::1'],
  ['1::', '1::'],
  ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
  ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
  ['::ffff:10.0.0.1', '10.0.0.1'],
  ['::FFFF:a00:1', '10.0.0.1'],
  ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
])('IP %s is written %s', (text, want) => {
  expect(normalIp(text)).toBe(want)
  expect(formatIp(parseIp(want)!)).toBe(want)
})

test.each([
  '',
  '1.2.3',
  '1.2.3.4.5',
  '01.2.3.4',
  '1.2.3.256',
  '1.2.3.-4',
  ' 1.2.3.4',
  ':',
  ':::',
  '1::2::3',
  '1:2:3:4:5:6:7',
  '1:2:3:4:5:6:7:8:9',
  '1:2:3:4:5:6:7:8::',
  '::1:2:3:4:5:6:7:8',
  '12345::',
  'fe80::1%eth0',
  '[::1]',
  '1.2.3.4::',
  '::1.2.3.4:5',
  '1:2:3:4:5:6:7:1.2.3.4',
])('"%s" is no IP address', (text) => expect(parseIp(text)).toBeUndefined())

test.each([
  ['10.0.0.1/8,', '10.0.0.1/8'],
  ['10.0.0.1', '10.0.0.1/32'],
  ['::1', '::1/128'],
  ['::ffff:10.0.0.0/104', '10.0.0.0/8'],
])('net list "%s" reads as %s', (text, want) => expect(parseNetList(text).toString()).toBe(want))

test.each(['x', '10.0.0.0/', '10.0.0.0/-1', '10.0.0.0/8/8', '10.0.0.0/8x', '::ffff:10.0.0.0/8', '::/129', '10.0.0.0/1e1'])(
  'net list "%s" is refused',
  (text) => expect(() => parseNetList(text)).toThrow(expect.objectContaining({ code: 'identity/bad-netlist' })),
)

test('a net list keeps families apart', () => {
  const list = parseNetList('0.0.0.0/0, fc00::/7')
  expect(list.contains('::ffff:1.2.3.4')).toBe(true)
  expect(list.contains('fdff::1')).toBe(true)
  expect(list.contains('fe00::1')).toBe(false)
  expect(list.contains('name')).toBe(false)
  expect(sameNet(0, '1.2.3.4', '::1')).toBe(false)
})

test('scopes', () => {
  expect(['fd00::1', '169.254.1.1', 'febf::1', '100.64.0.1'].map(isLan)).toEqual([true, true, true, false])
  expect(['0.0.0.0', '224.0.0.1', 'x', '127.0.0.1', 'fe80::1', '10.0.0.1', '8.8.8.8'].map(ipScope)).toEqual([0, 0, 0, 1, 2, 3, 4])
})
