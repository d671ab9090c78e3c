import { createIdentity, encodeRlp, generateSecretKey, registerRlpx } from '@kumiko/identity'
import type { Identity } from '@kumiko/interface'
import type { Libp2pEvents } from '@libp2p/interface'
import { TypedEventEmitter } from '@libp2p/interface'
import type { TransportManager } from '@libp2p/interface-internal'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import { RecordEndpoint } from './record-endpoint.ts'

registerRlpx()

async function setup(
  ...announce: string[]
): Promise<{ identity: Identity; listen(...addresses: string[]): void; endpoint: RecordEndpoint }> {
  const identity = await createIdentity({ secretKey: generateSecretKey() })
  const events = new TypedEventEmitter<Libp2pEvents>()
  let bound: Multiaddr[] = []
  const transportManager = { getAddrs: () => bound } as TransportManager
  const endpoint = new RecordEndpoint(
    { identity, events, transportManager },
    announce.map((text) => multiaddr(text)),
  )
  endpoint.start()
  const listen = (...addresses: string[]): void => {
    bound = addresses.map((text) => multiaddr(text))
    events.safeDispatchEvent('transport:listening', { detail: undefined })
  }
  return { identity, listen, endpoint }
}

test('the record says where RLPx really listens, and nothing once it does not', async () => {
  const { identity, listen } = await setup()
  listen('/ip4/127.0.0.1/tcp/4001', '/ip4/127.0.0.1/tcp/30305/rlpx')
  expect(identity.record.node.endpoints).toEqual([{ host: '127.0.0.1', tcp: 30305 }])
  listen('/ip4/127.0.0.1/tcp/4001')
  expect(identity.record.node.endpoints.map(({ tcp }) => tcp)).not.toContain(30305)
})

test('other transports leave the record alone', async () => {
  const { identity, listen } = await setup()
  const { seq } = identity.record
  listen('/ip4/127.0.0.1/tcp/4001')
  expect([identity.record.seq, identity.record.node.endpoints]).toEqual([seq, []])
})

test('what is announced is believed instead', async () => {
  const { identity, listen } = await setup('/ip4/1.2.3.4/tcp/443/rlpx')
  listen('/ip4/0.0.0.0/tcp/30305/rlpx')
  expect(identity.record.node.endpoints).toEqual([{ host: '1.2.3.4', tcp: 443 }])
})

test('each family has its own port', async () => {
  const { identity, listen } = await setup()
  listen('/ip4/0.0.0.0/tcp/1000/rlpx', '/ip6/::1/tcp/2000/rlpx')
  expect(identity.record.node.endpoints).toEqual(
    expect.arrayContaining([
      { host: '127.0.0.1', tcp: 1000 },
      { host: '::1', tcp: 2000 },
    ]),
  )
})

test('at [::] both families are served, by one port, unless IPv4 has its own', async () => {
  const { identity, listen } = await setup()
  listen('/ip6/::/tcp/30305/rlpx')
  expect(identity.record.node.endpoints).toEqual([{ host: '127.0.0.1', tcp: 30305 }])
  expect(['tcp', 'tcp6'].map((key) => identity.record.node.entry(key))).toEqual([encodeRlp(30305), undefined])
  listen('/ip6/::/tcp/30305/rlpx', '/ip4/0.0.0.0/tcp/30306/rlpx')
  expect(['tcp', 'tcp6'].map((key) => identity.record.node.entry(key))).toEqual([encodeRlp(30306), encodeRlp(30305)])
})

test('a stopped one leaves the record alone', async () => {
  const { identity, listen, endpoint } = await setup()
  endpoint.beforeStop()
  listen('/ip4/127.0.0.1/tcp/30305/rlpx')
  expect(identity.record.node.endpoints).toEqual([])
})
