import type { NodeRecord } from '@kumiko/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { curve } from './curve.ts'
import { ENR_SIZE_MAX_BYTES, signEnr } from './enr.ts'
import { fitEnrMultiaddrs, MULTIADDRS_KEY, readEnrMultiaddrs, tellableMultiaddrs } from './enr-multiaddrs.ts'
import { nodeFromEnr, nodeFromParts, parseNode } from './node.ts'
import { decodeRlp, encodeRlp } from './rlp.ts'
import { registerRlpx } from './rlpx-multiaddr.ts'

registerRlpx()

const secretKey = new Uint8Array(32).fill(7)
const self = nodeFromParts({ publicKey: curve.compress(curve.publicKey(secretKey)) }).peerId
const RELAY = '12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X'

const addresses = (...texts: string[]): Multiaddr[] => texts.map((text) => multiaddr(text))
const texts = (node: NodeRecord): string[] => node.addresses.map((address) => address.toString().replace(`/p2p/${self}`, ''))
const nodeOf = (packed: Uint8Array, others = {}): NodeRecord =>
  nodeFromEnr(signEnr(secretKey, 1n, { ...others, [MULTIADDRS_KEY]: encodeRlp(packed) }))
const pack = (...pieces: Uint8Array[]): Uint8Array =>
  new Uint8Array(pieces.flatMap((bytes) => [bytes.length >> 8, bytes.length & 0xff, ...bytes]))
const packed = (...list: string[]): Uint8Array => pack(...addresses(...list).map(({ bytes }) => bytes))

/** The vector that the implementations of Waku share: nwaku, go-waku and js-waku. */
const WAKU =
  'enr:-QEnuEBEAyErHEfhiQxAVQoWowGTCuEF9fKZtXSd7H_PymHFhGJA3rGAYDVSHKCyJDGRLBGsloNbS8AZF33IVuefjOO6BIJpZIJ2NIJpcIQS39tkim11bHRpYWRkcnO4lgAvNihub2RlLTAxLmRvLWFtczMud2FrdXYyLnRlc3Quc3RhdHVzaW0ubmV0BgG73gMAODcxbm9kZS0wMS5hYy1jbi1ob25na29uZy1jLndha3V2Mi50ZXN0LnN0YXR1c2ltLm5ldAYBu94DACm9A62t7AQL4Ef5ZYZosRpQTzFVAB8jGjf1TER2wH-0zBOe1-MDBNLeA4lzZWNwMjU2azGhAzfsxbxyCkgCqq8WwYsVWH7YkpMLnU2Bw5xJSimxKav-g3VkcIIjKA'

test('reads the records of Waku; an onion is no place that we can reach', () => {
  const node = parseNode(WAKU)
  expect(node.endpoints).toEqual([{ host: '18.223.219.100', udp: 9000 }])
  expect(node.addresses.map(String)).toEqual([
    `/dns4/node-01.do-ams3.wakuv2.test.statusim.net/tcp/443/wss/p2p/${node.peerId}`,
    `/dns6/node-01.ac-cn-hongkong-c.wakuv2.test.statusim.net/tcp/443/wss/p2p/${node.peerId}`,
  ])
})

test('libp2p addresses come behind the RLPx ones', () => {
  const others = { ip: encodeRlp(Uint8Array.of(1, 2, 3, 4)), tcp: encodeRlp(30303) }
  const told = ['/ip4/1.2.3.4/tcp/4001', '/ip6/2600::1/udp/4001/quic-v1', `/ip4/5.6.7.8/tcp/1/p2p/${RELAY}/p2p-circuit`]
  expect(texts(nodeOf(packed(...told), others))).toEqual(['/ip4/1.2.3.4/tcp/30303/rlpx', ...told])
})

test('an address that names the node itself is the same address', () => {
  expect(texts(nodeOf(packed('/ip4/1.2.3.4/tcp/1', `/ip4/1.2.3.4/tcp/1/p2p/${self}`)))).toEqual(['/ip4/1.2.3.4/tcp/1'])
})

test.each<[string, Uint8Array]>([
  ['RLPx', packed('/ip4/1.2.3.4/tcp/1/rlpx')],
  ['another peer', packed(`/ip4/1.2.3.4/tcp/1/p2p/${RELAY}`)],
  ['no host', packed('/unix/%2Ftmp%2Fsocket', `/p2p/${RELAY}/p2p-circuit`, '/memory/1', '/tcp/1')],
  ['a host that is nowhere', packed('/ip4/0.0.0.0/tcp/1', '/ip6/::/tcp/1', '/ip4/224.0.0.1/tcp/1')],
  ['a zone, which means something to one machine only', packed('/ip6zone/eth0/ip6/fe80::1/tcp/1')],
  ['a host alone', packed('/ip4/1.2.3.4')],
  ['a name that is none', packed('/dns4/a b/tcp/1', '/dns/\n/tcp/1')],
  ['what no log should hold', packed('/ip4/1.2.3.4/tcp/1/tls/sni/\u001b[2J')],
  ['an unknown protocol', pack(Uint8Array.of(4, 1, 2, 3, 4, 0xff, 0x7f))],
  ['a truncated address', pack(Uint8Array.of(4, 1, 2, 3, 4, 6, 1))],
  ['nothing', pack(new Uint8Array(), new Uint8Array())],
])('%s is passed over, and what follows is read', (_, bytes) => {
  expect(texts(nodeOf(new Uint8Array([...bytes, ...packed('/dns4/a.example/tcp/1')])))).toEqual(['/dns4/a.example/tcp/1'])
})

test('where a length lies, what came before is kept', () => {
  const good = packed('/ip4/1.2.3.4/tcp/1')
  for (const lie of [Uint8Array.of(0), Uint8Array.of(0, 9, 4), Uint8Array.of(0xff, 0xff, 4, 1, 2, 3, 4, 6, 0, 1)])
    expect(texts(nodeOf(new Uint8Array([...good, ...lie])))).toEqual(['/ip4/1.2.3.4/tcp/1'])
})

test('without the node they are as they are told', () => {
  const told = ['/ip4/1.2.3.4/tcp/1', `/ip4/1.2.3.4/tcp/1/p2p/${RELAY}`]
  expect(readEnrMultiaddrs(encodeRlp(packed(...told))).map(String)).toEqual(told)
})

test('an entry that is a list says nothing', () => {
  const node = nodeFromEnr(signEnr(secretKey, 1n, { [MULTIADDRS_KEY]: encodeRlp([packed('/ip4/1.2.3.4/tcp/1')]) }))
  expect(node.addresses).toEqual([])
})

test('no more than 16 are read or told', () => {
  const many = Array.from({ length: 17 }, (_, index) => `/dns/a/tcp/${index + 1}`)
  const read = nodeOf(packed(...many))
  expect(texts(read)).toEqual(many.slice(0, 16))
  expect(tellableMultiaddrs(addresses(...many), self).map(String)).toEqual(many.slice(0, 16))
})

test('what is told is without us, each once, and of libp2p only', () => {
  const own = addresses(
    `/ip4/1.2.3.4/tcp/1/p2p/${self}`,
    '/ip4/1.2.3.4/tcp/1',
    '/ip4/1.2.3.4/tcp/2/rlpx',
    '/ip4/0.0.0.0/tcp/3',
    `/ip4/1.2.3.4/tcp/4/p2p/${RELAY}`,
    `/dns4/relay.example/tcp/1/p2p/${RELAY}/p2p-circuit/p2p/${self}`,
  )
  expect(tellableMultiaddrs(own, self).map(String)).toEqual(['/ip4/1.2.3.4/tcp/1', `/dns4/relay.example/tcp/1/p2p/${RELAY}/p2p-circuit`])
})

test('any bytes → some addresses, never a throw; each is of this node and of libp2p', () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc
      .constantFrom(...addresses('/ip4/1.2.3.4/tcp/1', '/dns4/a/tcp/1/wss', `/ip4/1.1.1.1/tcp/1/p2p/${RELAY}/p2p-circuit`))
      .map(({ bytes }) => bytes),
  )
  const entry = fc
    .tuple(fc.array(piece, { maxLength: 8 }), fc.nat(160), fc.uint8Array({ maxLength: 4 }))
    .map(([pieces, cut, tail]) => new Uint8Array([...pack(...pieces).subarray(0, cut), ...tail]))
  fc.assert(
    fc.property(fc.oneof(entry, fc.uint8Array({ maxLength: 160 })), (bytes) => {
      for (const address of nodeOf(bytes).addresses) {
        expect(address.toString()).toMatch(new RegExp(`^/(ip4|ip6|dns4?|dns6|dnsaddr)/.*/p2p/${self}$`))
        expect(multiaddr(address.bytes).equals(address)).toBe(true)
      }
    }),
  )
})

test('as many as fit, best first, and the record is never too large', () => {
  const address = fc
    .tuple(fc.constantFrom('a', 'b'.repeat(60), 'c'.repeat(30)), fc.integer({ min: 1, max: 65535 }))
    .map(([name, port]) => multiaddr(`/dns/${name}/tcp/${port}`))
  fc.assert(
    fc.property(fc.array(address, { maxLength: 16 }), fc.nat(150), (list, filler) => {
      const others = { eth: encodeRlp(new Uint8Array(filler)) }
      const told = tellableMultiaddrs(list, self)
      const entries = fitEnrMultiaddrs(told, others)
      const record = signEnr(secretKey, 2n ** 64n - 1n, { ...others, ...entries })
      expect(record.bytes.length).toBeLessThanOrEqual(ENR_SIZE_MAX_BYTES)
      const read = texts(nodeFromEnr(record))
      const wanted = told.map(String)
      expect(wanted.filter((text) => read.includes(text))).toEqual(read)
      const [first] = told
      if (first !== undefined && 12 + first.bytes.length + filler < 130) expect(read[0]).toBe(first.toString())
    }),
  )
})

test('the record itself keeps what we cannot read', () => {
  const bytes = new Uint8Array([...pack(Uint8Array.of(0xff, 0x7f)), 0, 200])
  const node = nodeOf(bytes)
  expect([node.addresses, decodeRlp(node.entry(MULTIADDRS_KEY) ?? new Uint8Array())]).toEqual([[], bytes])
})
