import { type EnrEntries, isFault, KumikoError, type NodeEndpoint, type NodeRecord } from '@kumiko/interface'
import { multiaddr } from '@multiformats/multiaddr'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { curve } from './curve.ts'
import { formatEnode, isDnsName, parseEnode } from './enode.ts'
import { decodeEnr, decodeEnrContent, decodeEnrText, formatEnr, signEnr } from './enr.ts'
import { fromHex, toHex } from './hex.ts'
import { formatIp } from './ip.ts'
import { ipScope } from './net.ts'
import { enodeOf, enrTextOf, nodeFromEnr, nodeFromMultiaddr, nodeFromParts, parseNode } from './node.ts'
import { compareDistance, distance } from './node-id.ts'
import { encodeRlp } from './rlp.ts'
import { registerRlpx } from './rlpx-multiaddr.ts'

/** A few keys: curve work is slow, and their number matters less than the rest. */
const secretKey = fc.integer({ min: 1, max: 8 }).map((n) => new Uint8Array(32).fill(n))
const publicKey = secretKey.map((key) => curve.compress(curve.publicKey(key)))
const port = fc.integer({ min: 1, max: 65535 })
const ports = fc.record({ tcp: port, udp: port }, { requiredKeys: [] })
const ip4 = fc.uint8Array({ minLength: 4, maxLength: 4 }).filter((ip) => ipScope(ip) > 0)
const ip6 = fc.uint8Array({ minLength: 16, maxLength: 16 }).filter((ip) => ipScope(ip) > 0 && formatIp(ip).includes(':'))
const host = fc.oneof(ip4.map(formatIp), ip6.map(formatIp), fc.domain().filter(isDnsName))
const endpoint: fc.Arbitrary<NodeEndpoint> = fc.tuple(host, ports).map(([name, some]) => ({ host: name, ...some }))
const nodeId = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(toHex)

/** What two nodes are compared by. */
const shown = ({ nodeId: id, endpoints, peerId }: NodeRecord): unknown => ({ id, endpoints, peerId: peerId.toString() })

test('enode → text → enode', () => {
  fc.assert(
    fc.property(publicKey, fc.option(endpoint, { nil: undefined }), (key, at) => {
      const enode = { publicKey: key, ...at }
      expect(parseEnode(formatEnode(enode))).toEqual(enode)
    }),
  )
})

test('node → enode → node', () => {
  fc.assert(
    fc.property(publicKey, endpoint, (key, at) => {
      const node = nodeFromParts({ publicKey: key, endpoints: [at] })
      expect(shown(parseNode(enodeOf(node)))).toEqual(shown(node))
    }),
  )
})

test('node → multiaddr → node, with or without rlpx, as text or as bytes', () => {
  registerRlpx()
  fc.assert(
    fc.property(publicKey, host, port, (key, name, tcp) => {
      const node = nodeFromParts({ publicKey: key, endpoints: [{ host: name, tcp }] })
      const [address] = node.addresses
      const text = address?.toString() ?? ''
      expect(shown(parseNode(text))).toEqual(shown(node))
      expect(shown(parseNode(text.replace('/rlpx', '')))).toEqual(shown(node))
      expect(shown(nodeFromMultiaddr(multiaddr(address?.bytes)))).toEqual(shown(node))
    }),
  )
})

test('ENR → node → enode and multiaddr → the same node', () => {
  fc.assert(
    fc.property(secretKey, ip4, port, port, (key, ip, tcp, udp) => {
      const entries = { ip: encodeRlp(ip), tcp: encodeRlp(tcp), udp: encodeRlp(udp) }
      const node = nodeFromEnr(signEnr(key, 1n, entries))
      expect(shown(parseNode(enrTextOf(node) ?? ''))).toEqual(shown(node))
      expect(shown(parseNode(enodeOf(node)))).toEqual(shown(node))
      expect(parseNode(node.addresses[0]?.toString() ?? '').endpoints).toEqual([{ host: formatIp(ip), tcp }])
    }),
  )
})

const enrKey = fc.string({ unit: fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz0123456789_-'), minLength: 1, maxLength: 6 })
const enrEntries: fc.Arbitrary<EnrEntries> = fc.dictionary(
  enrKey,
  fc.oneof(fc.uint8Array({ maxLength: 12 }), fc.array(fc.uint8Array({ maxLength: 3 }), { maxLength: 3 })).map((value) => encodeRlp(value)),
  { maxKeys: 4 },
)
const seq = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })

test('a record that is signed is read back whole', () => {
  fc.assert(
    fc.property(secretKey, seq, enrEntries, (key, number, entries) => {
      const enr = signEnr(key, number, entries)
      expect(decodeEnr(enr.bytes)).toEqual(enr)
      expect(decodeEnrText(formatEnr(enr))).toEqual(enr)
      expect(enr.entries.size).toBe(Object.keys({ ...entries, id: 0, secp256k1: 0 }).length)
      expect(Object.fromEntries(enr.entries)).toMatchObject({ ...entries, secp256k1: encodeRlp(enr.publicKey), id: expect.anything() })
    }),
  )
})

test('a record with one bit changed is refused', () => {
  fc.assert(
    fc.property(secretKey, enrEntries, fc.nat(), (key, entries, at) => {
      const { bytes } = signEnr(key, 5n, entries)
      const bit = at % (bytes.length * 8)
      const changed = bytes.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))
      expect(decodeEnr(changed)).toMatchObject({ fault: 'identity/bad-enr' })
    }),
    { numRuns: 300 },
  )
})

test('any bytes and any list are a record or a fault', () => {
  const list = fc.array(fc.oneof(fc.uint8Array({ maxLength: 70 }), fc.array(fc.uint8Array({ maxLength: 4 }), { maxLength: 3 })), {
    maxLength: 10,
  })
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 320 }),
        list.map((items) => encodeRlp(items)),
      ),
      (input) => {
        for (const result of [decodeEnr(input), decodeEnrContent(input)]) {
          if (isFault(result)) expect(result.fault).toBe('identity/bad-enr')
          else expect(result.seq >= 0n).toBe(true)
        }
      },
    ),
    { numRuns: 2000 },
  )
})

test('any text is a node, or a KumikoError of this package', () => {
  const sample = curve.compress(curve.publicKey(new Uint8Array(32).fill(1)))
  const id = formatEnode({ publicKey: sample })
  const peer = nodeFromParts({ publicKey: sample }).peerId.toString()
  const part = fc.oneof(
    fc.constantFrom('enode://', 'enr:', id, '@', ':', '[', ']', '?discport=', '30303', '127.0.0.1', '::1', '/', '/ip4/', '/ip6/', '/dns/'),
    fc.constantFrom(
      '/tcp/',
      '/udp/',
      '/rlpx',
      '/p2p/',
      peer,
      '12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8',
      '/ws',
      'a.b',
      '%',
      '#',
    ),
    fc.string({ unit: 'binary', maxLength: 6 }),
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.array(part, { maxLength: 8 }).map((parts) => parts.join('')),
        fc.base64String().map((text) => `enr:${text}`),
      ),
      (text) => {
        try {
          expect(parseNode(text).nodeId).toMatch(/^[0-9a-f]{64}$/)
        } catch (error) {
          if (!(error instanceof KumikoError)) throw error
          expect(error.code).toMatch(/^identity\/bad-(node|enode|enr|multiaddr)$/)
        }
      },
    ),
    { numRuns: 5000 },
  )
})

test('distance is a metric on the xor', () => {
  const wide = (id: string): bigint => BigInt(`0x${id}`)
  const near = fc.tuple(nodeId, fc.nat(63), nodeId).map(([a, at, b]) => [a, a.slice(0, at) + b.slice(at)] as const)
  fc.assert(
    fc.property(near, nodeId, ([a, b], c) => {
      const xor = wide(a) ^ wide(b)
      expect(distance(a, b)).toBe(xor === 0n ? 0 : xor.toString(2).length)
      expect(distance(b, a)).toBe(distance(a, b))
      expect(distance(a, c)).toBeLessThanOrEqual(Math.max(distance(a, b), distance(b, c)))
      const [left, right] = [wide(a) ^ wide(c), wide(b) ^ wide(c)]
      expect(Math.sign(compareDistance(c, a, b))).toBe(left < right ? -1 : left > right ? 1 : 0)
    }),
    { numRuns: 1000 },
  )
})

test('hex is read as it is written, and nothing else is', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      expect(fromHex(toHex(bytes))).toEqual(bytes)
    }),
  )
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(fromHex(text) !== undefined).toBe(/^([0-9a-fA-F]{2})*$/.test(text))
    }),
  )
})
