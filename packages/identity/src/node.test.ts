import { inspect } from 'node:util'
import { KumikoError } from '@kumiko/interface'
import { virtualClock } from '@kumiko/testkit'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr, registry } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import { toHex } from './hex.ts'
import { createIdentity } from './identity.ts'
import { enodeOf, enrOf, enrTextOf, nodeFromMultiaddr, nodeFromParts, nodeFromPeerId, parseNode } from './node.ts'
import { distance } from './node-id.ts'
import { RLPX_CODE, readRlpxMultiaddr, registerRlpx, rlpxMultiaddr } from './rlpx-multiaddr.ts'

const secretKey = new Uint8Array(32).fill(5)
const identity = await createIdentity({ secretKey, clock: virtualClock(1000) })
const peer = identity.peerId.toString()
const ed25519 = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))

function codeOf(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    return error instanceof KumikoError && !error.message.includes('\n') ? error.code : `not as wanted: ${error}`
  }
  return 'no error'
}

test('one key has the same name everywhere', () => {
  expect(peer).toMatch(/^16Uiu2/)
  expect(identity.privateKey.raw).toEqual(secretKey)
  expect(identity.peerId.publicKey?.raw).toEqual(identity.publicKey)
  for (const text of [identity.enode, identity.enr, `/p2p/${peer}`]) {
    const node = parseNode(text)
    expect(node.nodeId).toBe(identity.nodeId)
    expect(node.peerId.equals(identity.peerId)).toBe(true)
    expect(node.endpoints).toEqual([])
    expect(node.addresses).toEqual([])
  }
  expect(identity.record.node.nodeId).toBe(identity.nodeId)
})

test('an identity follows its record, and does not show its secret', async () => {
  const own = await createIdentity({ secretKey })
  own.record.setStaticIp(4, '10.3.58.6')
  own.record.setPorts(4, { tcp: 30303, udp: 30301 })
  expect(own.enode).toMatch(/@10\.3\.58\.6:30303\?discport=30301$/)
  expect(parseNode(own.enr).endpoints).toEqual([{ host: '10.3.58.6', tcp: 30303, udp: 30301 }])
  const printed =
    inspect(own, { depth: 9, showHidden: true }) +
    JSON.stringify({ own, seq: undefined }, (_, value) => (typeof value === 'bigint' ? `${value}` : value))
  expect(printed).not.toContain(toHex(secretKey))
  expect(printed).not.toMatch(/(\b5,\s*){8}/)
})

test('without a key, an identity is a new one each time', async () => {
  expect((await createIdentity()).nodeId).not.toBe((await createIdentity()).nodeId)
})

test('a bad secret key is our mistake', async () => {
  for (const bad of [new Uint8Array(32), new Uint8Array(31).fill(1), new Uint8Array(64).fill(1)]) {
    await expect(createIdentity({ secretKey: bad })).rejects.toMatchObject({ code: 'identity/bad-secret-key' })
  }
})

test('a key by another name is not passed over for a new one', async () => {
  const options = { privateKey: new Uint8Array(32).fill(1) } as object
  await expect(createIdentity(options)).rejects.toMatchObject({ code: 'identity/bad-option' })
})

test.each([
  ['/ip4/1.2.3.4/tcp/30303/rlpx/p2p/', '1.2.3.4', '/ip4/1.2.3.4/tcp/30303/rlpx'],
  ['/ip4/1.2.3.4/tcp/30303/p2p/', '1.2.3.4', '/ip4/1.2.3.4/tcp/30303/rlpx'],
  ['/ip6/::ffff:1.2.3.4/tcp/30303/rlpx/p2p/', '1.2.3.4', '/ip4/1.2.3.4/tcp/30303/rlpx'],
  ['/ip6/2001:DB9::1/tcp/30303/rlpx/p2p/', '2001:db9::1', '/ip6/2001:db9::1/tcp/30303/rlpx'],
  ['/dns/node.example/tcp/30303/rlpx/p2p/', 'node.example', '/dns/node.example/tcp/30303/rlpx'],
  ['/dns4/node.example/tcp/30303/rlpx/p2p/', 'node.example', '/dns/node.example/tcp/30303/rlpx'],
  ['/dns6/node.example/tcp/30303/p2p/', 'node.example', '/dns/node.example/tcp/30303/rlpx'],
])('multiaddr %s', (address, host, written) => {
  const node = parseNode(` ${address}${peer}\n`)
  expect(node.endpoints).toEqual([{ host, tcp: 30303 }])
  expect(node.addresses.map(String)).toEqual([`${written}/p2p/${peer}`])
  expect(readRlpxMultiaddr(multiaddr(address + peer))).toEqual({
    host,
    tcp: 30303,
    isRlpx: address.includes('rlpx'),
    publicKey: identity.publicKey,
  })
})

test.each([
  '/',
  '/ip4/1.2.3.4',
  '/ip4/1.2.3.4/tcp/30303',
  '/ip4/1.2.3.4/tcp/30303/rlpx',
  `/ip4/1.2.3.4/p2p/${peer}`,
  `/ip4/1.2.3.4/udp/30303/p2p/${peer}`,
  `/ip4/1.2.3.4/tcp/30303/ws/p2p/${peer}`,
  `/ip4/1.2.3.4/tcp/30303/rlpx/rlpx/p2p/${peer}`,
  `/ip4/1.2.3.4/tcp/30303/rlpx/p2p/${peer}/p2p-circuit/p2p/${peer}`,
  `/rlpx/p2p/${peer}`,
  `/tcp/30303/rlpx/p2p/${peer}`,
  `/dns/-bad-/tcp/30303/rlpx/p2p/${peer}`,
  `/dnsaddr/node.example/tcp/30303/rlpx/p2p/${peer}`,
  `/ip4/1.2.3.4/tcp/30303/p2p/${ed25519}`,
  '/ip4/1.2.3.4/tcp/30303/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N',
  '/ip4/1.2.3.4/tcp/30303/p2p/nonsense',
  '/nonsense/1',
  '/ip4/1.2.3.4/tcp/65536/p2p/x',
])('multiaddr %s is refused', (text) => expect(codeOf(() => parseNode(text))).toBe('identity/bad-multiaddr'))

test('an address to listen on is read', () => {
  registerRlpx()
  expect(readRlpxMultiaddr(multiaddr('/ip4/0.0.0.0/tcp/0/rlpx'))).toEqual({ host: '0.0.0.0', tcp: 0, isRlpx: true })
  expect(rlpxMultiaddr({ host: '::', tcp: 30303 })?.toString()).toBe('/ip6/::/tcp/30303/rlpx')
  expect(rlpxMultiaddr({ host: '::', udp: 30303 })).toBeUndefined()
  expect(rlpxMultiaddr({ host: 'fe80::1%eth0', tcp: 1 })?.toString()).toBe('/ip6/fe80::1/tcp/1/rlpx')
  for (const host of ['', 'a b', 'a/b', '::1::']) expect(rlpxMultiaddr({ host, tcp: 1 })).toBeUndefined()
})

test('the protocol rlpx is private, has no value, and is registered once', () => {
  registerRlpx()
  const codec = registry.getProtocol('rlpx')
  registerRlpx()
  expect(registry.getProtocol(RLPX_CODE)).toBe(codec)
  expect(codec.code).toBe(0x300e10)
  const address = multiaddr('/ip4/1.2.3.4/tcp/1/rlpx')
  expect(multiaddr(address.bytes).toString()).toBe('/ip4/1.2.3.4/tcp/1/rlpx')
})

test.each([
  'enode://',
  `${identity.enode}@`,
  `${identity.enode}@:30303`,
  `${identity.enode}@1.2.3.4`,
  `${identity.enode}@1.2.3.4:65536`,
  `${identity.enode}@1.2.3.4:-1`,
  `${identity.enode}@1.2.3.4:1?discport=65536`,
  `${identity.enode}@1.2.3.4:1/path`,
  `${identity.enode}@1.2.3.4:1#fragment`,
  `${identity.enode}@::1:30303`,
  `${identity.enode}@[::1:30303`,
  `${identity.enode}@[1.2.3.4]:30303`,
  `${identity.enode}@[fe80::1%eth0]:30303`,
  `${identity.enode}@999.1.1.1:30303`,
  `${identity.enode}@${'a'.repeat(64)}.example:30303`,
  `enode://${'11'.repeat(64)}@1.2.3.4:30303`,
])('%s is refused', (text) => expect(codeOf(() => parseNode(text))).toBe('identity/bad-enode'))

test.each([
  ['@1.2.3.4:0?discport=30301', [{ host: '1.2.3.4', udp: 30301 }]],
  ['@1.2.3.4:1?discport=', [{ host: '1.2.3.4', tcp: 1, udp: 1 }]],
  ['@1.2.3.4:1?other=2&discport=3', [{ host: '1.2.3.4', tcp: 1, udp: 3 }]],
  ['@[::ffff:1.2.3.4]:1', [{ host: '1.2.3.4', tcp: 1, udp: 1 }]],
  ['@[::]:1', []],
  ['@0.0.0.0:1', []],
])('enode %s has the endpoints %j', (end, want) => expect(parseNode(identity.enode + end).endpoints).toEqual(want))

test('endpoints are ranked, one a family, and what is no host is left out', () => {
  const hosts = ['::1', '127.0.0.1', 'bad host', '10.0.0.1', '2001:db9::1', 'node.example', '8.8.8.8', '0.0.0.0']
  const node = nodeFromParts({ publicKey: identity.publicKey, endpoints: hosts.map((host) => ({ host })) })
  expect(node.endpoints.map(({ host }) => host)).toEqual(['node.example', '8.8.8.8', '2001:db9::1'])
})

test('a node that has no ENR has none', () => {
  const node = parseNode(identity.enode)
  expect([node.seq, node.entry('ip'), enrOf(node), enrTextOf(node)]).toEqual([0n, undefined, undefined, undefined])
})

test('what is computed on first use is computed once', () => {
  const node = parseNode(`${identity.enode}@1.2.3.4:1`)
  expect(node.peerId).toBe(node.peerId)
  expect(node.addresses).toBe(node.addresses)
})

test('a PeerId is a node where it names a secp256k1 key', () => {
  const node = nodeFromPeerId(identity.peerId)
  expect(node === undefined ? undefined : enodeOf(node)).toBe(identity.enode)
  expect(nodeFromPeerId(ed25519)).toBeUndefined()
  expect(codeOf(() => nodeFromMultiaddr(multiaddr(`/ip4/1.2.3.4/tcp/1/p2p/${ed25519}`)))).toBe('identity/bad-multiaddr')
})

test('a key that is none is our mistake', () => {
  expect(codeOf(() => nodeFromParts({ publicKey: new Uint8Array(33) }))).toBe('identity/bad-public-key')
  expect(codeOf(() => nodeFromParts({ publicKey: new Uint8Array(64) }))).toBe('identity/bad-public-key')
})

test('the greatest and the least distance', () => {
  expect(distance('0'.repeat(64), `8${'0'.repeat(63)}`)).toBe(256)
  expect(distance('0'.repeat(64), `${'0'.repeat(63)}1`)).toBe(1)
  expect(distance(identity.nodeId, identity.nodeId)).toBe(0)
})
