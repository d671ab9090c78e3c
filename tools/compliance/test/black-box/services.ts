import { echo } from '@libp2p/echo'
import { fetch } from '@libp2p/fetch'
import { identify, identifyPush } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { type Check, check, errorOf, until } from './check.ts'
import { addressOf, bytes, connected, detailsOf, peek, placeOf, roleOf, settle, text } from './stage.ts'

export const SERVICES: readonly Check[] = [
  check(
    'identify: tells who the other is',
    {
      peer: 'b',
      agent: 'tea/7',
      version: 'ipfs/0.1.0',
      protocols: ['/ipfs/id/1.0.0', '/tea/1.0.0'],
      listens: true,
      record: 'b',
      connection: true,
      observed: true,
    },
    async (stage) => {
      const a = await stage.node({ transports: [tcp()], services: { identify: identify() } })
      const b = await stage.node({
        transports: [tcp()],
        addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
        services: { identify: identify() },
        nodeInfo: { userAgent: 'tea/7' },
      })
      await b.handle('/tea/1.0.0', () => {})
      const seen = detailsOf(a, 'peer:identify')
      const connection = await a.dial(addressOf(b))
      await until('it is identified', () => seen.length > 0)
      const [result] = seen
      return {
        peer: roleOf(result?.peerId, { a, b }),
        agent: result?.agentVersion,
        version: result?.protocolVersion,
        protocols: result?.protocols,
        listens: result?.listenAddrs.some((address) => placeOf(b).equals(address) || addressOf(b).equals(address)),
        record: result?.signedPeerRecord?.addresses.length === 1 ? 'b' : 'none',
        connection: result?.connection === connection,
        observed: result?.observedAddr !== undefined,
      }
    },
  ),

  check(
    'identify: is kept in the peer store, its addresses certified',
    { agent: 'tea/7', version: 'ipfs/0.1.0', protocols: true, certified: [true], record: true },
    async (stage) => {
      const a = await stage.node({ services: { identify: identify() } })
      const b = await stage.listener({ services: { identify: identify() }, nodeInfo: { userAgent: 'tea/7' } })
      const seen = detailsOf(a, 'peer:identify')
      await a.dial(addressOf(b))
      await until('it is identified', () => seen.length > 0)
      await until('it is kept', async () => (await a.peerStore.get(b.peerId)).metadata.has('AgentVersion'))
      const { metadata, protocols, addresses, peerRecordEnvelope } = await a.peerStore.get(b.peerId)
      return {
        agent: text(metadata.get('AgentVersion') ?? bytes('')),
        version: text(metadata.get('ProtocolVersion') ?? bytes('')),
        protocols: protocols.includes('/ipfs/id/1.0.0'),
        certified: addresses.map(({ isCertified }) => isCertified),
        record: peerRecordEnvelope !== undefined,
      }
    },
  ),

  check('identify: both ends are told', ['b', 'a'], async (stage) => {
    const services = { identify: identify() }
    const [a, b] = [await stage.node({ services }), await stage.listener({ services })]
    const seen = [detailsOf(a, 'peer:identify'), detailsOf(b, 'peer:identify')]
    await a.dial(addressOf(b))
    await until('both are told', () => seen.every((results) => results.length > 0))
    return seen.map(([result]) => roleOf(result?.peerId, { a, b }))
  }),

  check('identify: a peer that does not speak it stays connected', [1, 0], async (stage) => {
    const [a, b] = [await stage.node({ services: { identify: identify() } }), await stage.listener()]
    const seen = detailsOf(a, 'peer:identify')
    await a.dial(addressOf(b))
    await settle()
    return [a.getPeers().length, seen.length]
  }),

  check('identify: may be asked for alone', { unasked: 0, peer: 'b' }, async (stage) => {
    const a = await stage.node({ services: { identify: identify({ runOnConnectionOpen: false }) } })
    const b = await stage.listener({ services: { identify: identify({ runOnConnectionOpen: false }) } })
    const seen = detailsOf(a, 'peer:identify')
    const connection = await a.dial(addressOf(b))
    await settle()
    const unasked = seen.length
    const { peerId } = await a.services.identify.identify(connection)
    return { unasked, peer: roleOf(peerId, { a, b }) }
  }),

  check('identify: has its prefix', ['/tea/id/1.0.0', 'UnsupportedProtocolError'], async (stage) => {
    const a = await stage.node({ services: { identify: identify({ runOnConnectionOpen: false }) } })
    const b = await stage.listener({ services: { identify: identify({ protocolPrefix: 'tea' }) } })
    return [b.getProtocols()[0], await errorOf(a.services.identify.identify(await a.dial(addressOf(b))))]
  }),

  check('identify push: tells of new protocols and addresses', { protocol: true, address: true }, async (stage) => {
    const services = { identify: identify(), push: identifyPush() }
    const [a, b] = [await stage.node({ services }), await stage.listener({ services: { ...services, peek } })]
    const seen = detailsOf(a, 'peer:identify')
    await a.dial(addressOf(b))
    await connected(a, b)
    await until('it is identified', () => seen.length > 0)
    await until('the other is, too', async () => (await b.peerStore.get(a.peerId)).protocols.includes('/ipfs/id/push/1.0.0'))
    await b.handle('/tea/1.0.0', () => {})
    const { transportManager } = b.services.peek.components
    const place = stage.place()
    await transportManager.listen([multiaddr(place)])
    const knows = async (): Promise<{ protocol: boolean; address: boolean }> => {
      const { protocols, addresses } = await a.peerStore.get(b.peerId)
      return { protocol: protocols.includes('/tea/1.0.0'), address: addresses.some((each) => each.multiaddr.toString() === place) }
    }
    await until('both are known', async () => Object.values(await knows()).every(Boolean))
    return await knows()
  }),

  check('ping: takes some milliseconds, by id and by address', [true, true], async (stage) => {
    const services = { ping: ping() }
    const [a, b] = [await stage.node({ services }), await stage.listener({ services })]
    const seen = [await a.services.ping.ping(addressOf(b)), await a.services.ping.ping(b.peerId)]
    return seen.map((ms) => ms >= 0 && ms < 5_000)
  }),

  check('ping: several times over one connection', [3, 1], async (stage) => {
    const services = { ping: ping() }
    const [a, b] = [await stage.node({ services }), await stage.listener({ services })]
    const seen: number[] = []
    for (let index = 0; index < 3; index++) seen.push(await a.services.ping.ping(addressOf(b)))
    return [seen.length, a.getConnections().length]
  }),

  check('ping: a peer that does not speak it', 'UnsupportedProtocolError', async (stage) => {
    const [a, b] = [await stage.node({ services: { ping: ping() } }), await stage.listener()]
    return await errorOf(a.services.ping.ping(addressOf(b)))
  }),

  check('ping: with a signal that has aborted', 'AbortError', async (stage) => {
    const services = { ping: ping() }
    const [a, b] = [await stage.node({ services }), await stage.listener({ services })]
    await a.dial(addressOf(b))
    return await errorOf(a.services.ping.ping(b.peerId, { signal: AbortSignal.abort() }))
  }),

  check('ping: has its prefix', [['/tea/ping/1.0.0'], 'UnsupportedProtocolError', 'no error'], async (stage) => {
    const prefixed = { ping: ping({ protocolPrefix: 'tea' }) }
    const [a, b] = [await stage.node({ services: { ping: ping() } }), await stage.listener({ services: prefixed })]
    const c = await stage.node({ services: prefixed })
    return [b.getProtocols(), await errorOf(a.services.ping.ping(addressOf(b))), await errorOf(c.services.ping.ping(addressOf(b)))]
  }),

  check('services: leave no protocol behind when their node stops', [['/ipfs/ping/1.0.0'], []], async (stage) => {
    const node = await stage.node({ services: { ping: ping() } })
    const before = node.getProtocols()
    await node.stop()
    return [before, node.getProtocols()]
  }),

  check('services: have their protocols again after a restart', ['/ipfs/id/1.0.0', '/ipfs/ping/1.0.0'], async (stage) => {
    const node = await stage.node({ services: { ping: ping(), identify: identify() } })
    await node.stop()
    await node.start()
    return node.getProtocols()
  }),

  check('fetch: what the other has, and what it has not', ['Assam', 'nothing'], async (stage) => {
    const services = { fetch: fetch() }
    const [a, b] = [await stage.node({ services }), await stage.listener({ services })]
    b.services.fetch.registerLookupFunction('/tea', async (key) => (text(key) === '/tea/1' ? bytes('Assam') : undefined))
    await a.dial(addressOf(b))
    const ask = async (key: string): Promise<string> => text((await a.services.fetch.fetch(b.peerId, key)) ?? bytes('nothing'))
    return [await ask('/tea/1'), await ask('/tea/2')]
  }),

  check('fetch: a key that nobody there looks up', 'ProtocolError', async (stage) => {
    const services = { fetch: fetch() }
    const [a, b] = [await stage.node({ services }), await stage.listener({ services })]
    await a.dial(addressOf(b))
    return await errorOf(a.services.fetch.fetch(b.peerId, '/milk/1'))
  }),

  check('fetch: a lookup that is unregistered', ['Assam', 'ProtocolError'], async (stage) => {
    const services = { fetch: fetch() }
    const [a, b] = [await stage.node({ services }), await stage.listener({ services })]
    b.services.fetch.registerLookupFunction('/tea', async () => bytes('Assam'))
    await a.dial(addressOf(b))
    const first = text((await a.services.fetch.fetch(b.peerId, '/tea/1')) ?? bytes('nothing'))
    b.services.fetch.unregisterLookupFunction('/tea')
    return [first, await errorOf(a.services.fetch.fetch(b.peerId, '/tea/1'))]
  }),

  check('fetch: has its prefix', ['/tea/fetch/0.0.1'], async (stage) => {
    const node = await stage.node({ services: { fetch: fetch({ protocolPrefix: 'tea' }) } })
    return node.getProtocols()
  }),

  check('echo: comes back', 'tea', async (stage) => {
    const services = { echo: echo() }
    const [a, b] = [await stage.node({ services }), await stage.listener({ services })]
    const heard = await a.services.echo.echo(addressOf(b), bytes('tea'))
    return text(heard)
  }),
]
