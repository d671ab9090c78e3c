import { type Lookup, registerRlpx } from '@kumiko/identity'
import { KumikoError, type NodeRecord, type NodeSource } from '@kumiko/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { describe, expect, test } from 'vitest'
import { dialer } from '../src/dialer.ts'
import type { DialerOptions } from '../src/options.ts'
import { FakeNode } from './fake-node.ts'
import { node, numberOf, peer } from './nodes.ts'
import { address, after, full, running } from './running.ts'

registerRlpx()

/** A source of the nodes with these numbers, once. `taken` counts what was asked of it. */
function source(numbers: Iterable<number>): NodeSource & { taken: number } {
  const counted = {
    name: 'numbers',
    taken: 0,
    async *nodes() {
      for (const number of numbers) {
        counted.taken += 1
        yield node(number) as NodeRecord
      }
    },
  }
  return counted
}

describe('one dial', () => {
  test('races the addresses: one that is silent costs 30 ms in a private network', async () => {
    const fake = new FakeNode().at(address(1, 2), { does: 'connects', afterMs: 30 })
    const part = running(fake)
    const connection = await after(fake, 60, part.dial([multiaddr(full(1, 1)), multiaddr(full(1, 2))]))
    expect(connection.remotePeer).toEqual(peer(1))
    expect(fake.called).toEqual([`0 ${address(1, 1)}`, `30 ${address(1, 2)}`])
    await fake.clock.advance(0)
    expect(fake.callsUnderWay).toBe(0)
  })

  test('tells of each address why it failed', async () => {
    const fake = new FakeNode().at(address(1, 1), { does: 'fails' }).at(address(1, 2), { does: 'fails' })
    const part = running(fake)
    const failed = after(fake, 0, part.dial([multiaddr(full(1, 1)), multiaddr(full(1, 2))]))
    await expect(failed).rejects.toMatchObject({
      code: 'dialer/failed',
      cause: { errors: [full(1, 1), full(1, 2)].map((text) => ({ code: 'dialer/address-failed', context: { address: text } })) },
    })
  })

  test('ends after 10 s with one silent address, after 15 s with several', async () => {
    const fake = new FakeNode()
    const part = running(fake, { staggerMs: 6000 })
    await expect(after(fake, 10_000, part.dial(full(1)))).rejects.toMatchObject({ code: 'dialer/failed' })
    const several = part.dial([1, 2, 3].map((port) => multiaddr(`/ip4/1.1.1.1/tcp/${port}/p2p/${peer(2)}`)))
    await expect(after(fake, 15_000, several)).rejects.toMatchObject({ code: 'dialer/timeout' })
    expect(fake.callsUnderWay).toBe(0)
  })

  test('closes a connection that comes too late', async () => {
    const fake = new FakeNode().at(address(1, 1), { does: 'connects', afterMs: 400, isDeaf: true }).at(address(1, 2), { does: 'connects' })
    const part = running(fake)
    const connection = await after(fake, 1000, part.dial([multiaddr(full(1, 1)), multiaddr(full(1, 2))]))
    expect(fake.connections.map(({ status }) => status)).toEqual(['open', 'aborted'])
    expect(connection.status).toBe('open')
  })

  test('closes a connection to someone else', async () => {
    const fake = new FakeNode()
      .at(address(1), { does: 'connects', answers: peer(2) })
      .at(address(3), { does: 'connects', answers: peer(0) })
    const part = running(fake)
    await expect(after(fake, 0, part.dial(full(1)))).rejects.toMatchObject({
      cause: { errors: [{ cause: { code: 'dialer/wrong-peer' } }] },
    })
    await expect(after(fake, 0, part.dial(address(3)))).rejects.toMatchObject({ cause: { errors: [{ cause: { code: 'dialer/self' } }] } })
    expect(fake.connections.map(({ status }) => status)).toEqual(['aborted', 'aborted'])
  })

  test('takes the addresses from the peer store, else from peer routing', async () => {
    const fake = new FakeNode().at(address(1, 1), { does: 'connects' }).at(address(2, 2), { does: 'connects' })
    fake.stored.set(peer(1).toString(), [address(1, 1)])
    fake.routed.set(peer(1).toString(), [address(1, 2)])
    fake.routed.set(peer(2).toString(), [address(2, 2)])
    const part = running(fake)
    await after(fake, 0, part.dial(peer(1)))
    await after(fake, 0, part.dial(`/p2p/${peer(2)}`))
    expect(fake.calls.map((call) => call.address)).toEqual([full(1, 1), full(2, 2)])
    await expect(after(fake, 0, part.dial(peer(3)))).rejects.toMatchObject({ code: 'dialer/no-addresses' })
  })

  test('asks peer routing for the stack that is wanted where the peer store knows the other one only', async () => {
    const rlpx = `${address(1, 1)}/rlpx`
    const fake = new FakeNode().at(rlpx, { does: 'connects' }).at(address(1, 2), { does: 'connects' })
    fake.stored.set(peer(1).toString(), [rlpx])
    fake.routed.set(peer(1).toString(), [address(1, 2)])
    const part = running(fake)
    await after(fake, 0, part.dial(peer(1), { protocol: '/ipfs/ping/1.0.0' }))
    expect(fake.calls.map((call) => call.address)).toEqual([full(1, 2)])
  })

  test('gives up a peer routing that does not answer', async () => {
    const fake = new FakeNode()
    const components = fake.components()
    let given: AbortSignal | undefined
    const findPeer: typeof components.peerRouting.findPeer = (_, { signal } = {}) => {
      given = signal
      return new Promise(() => {})
    }
    const part = dialer()({ ...components, peerRouting: { ...components.peerRouting, findPeer } })
    part.start()
    await expect(after(fake, 15_000, part.dial(peer(1)))).rejects.toMatchObject({ code: 'dialer/timeout' })
    expect([given?.aborted, part.status().dialing]).toEqual([true, 0])
    await part.stop()
  })

  test('waits in the queue for one of the slots', async () => {
    const fake = new FakeNode().at(address(1), { does: 'connects', afterMs: 100 }).at(address(2), { does: 'connects', afterMs: 100 })
    const part = running(fake, { maxActiveDials: 1 })
    const first = part.dial(full(1))
    const second = part.dial(full(2))
    await fake.clock.advance(50)
    expect(part.getDialQueue()).toEqual([
      { id: 'dial-1', status: 'active', peerId: peer(1), multiaddrs: [multiaddr(full(1))] },
      { id: 'dial-2', status: 'queued', peerId: peer(2), multiaddrs: [multiaddr(full(2))] },
    ])
    await after(fake, 150, Promise.all([first, second]))
    expect(fake.called).toEqual([`0 ${address(1)}`, `100 ${address(2)}`])
    expect(part.getDialQueue()).toEqual([])
  })

  test('leaves the queue when nobody waits for it', async () => {
    const fake = new FakeNode()
    const part = running(fake, { maxActiveDials: 1 })
    const first = part.dial(full(1))
    first.catch(() => {})
    const controller = new AbortController()
    const second = part.dial(full(2), { signal: controller.signal })
    controller.abort(new Error('enough'))
    await expect(after(fake, 0, second)).rejects.toThrow('enough')
    expect(part.getDialQueue().map(({ id }) => id)).toEqual(['dial-1'])
    await fake.clock.advance(10_000)
    expect(fake.calls).toHaveLength(1)
  })
})

describe('a DNS name', () => {
  const names: Readonly<Record<string, readonly string[]>> = {
    'good.test': ['10.0.0.1'],
    'bad.test': ['10.66.0.1'],
    'both.test': ['10.66.0.1', '::ffff:10.0.0.1', 'nonsense'],
    'six.test': ['2001:db8::1'],
  }
  const lookup: Lookup = async (name, family) => {
    const ips = names[name]
    if (ips === undefined) throw new Error('ENOTFOUND')
    return ips.filter((ip) => family === 0 || ip.includes(':') === (family === 6))
  }
  const at = (start: string, end = ''): Multiaddr => multiaddr(`${start}/tcp/1${end}/p2p/${peer(1)}`)

  /** What one dial of these addresses called, without the peer, and how it was refused. */
  async function dialed(fake: FakeNode, addresses: readonly Multiaddr[], options: DialerOptions = {}): Promise<unknown> {
    const part = running(fake, { lookup, staggerMs: 1, ...options })
    const error: unknown = await after(fake, 20_000, part.dial([...addresses])).catch((reason: unknown) => reason)
    const cause = error instanceof KumikoError && error.cause instanceof AggregateError ? error.cause.errors : []
    return [fake.calls.map((call) => call.address.replace(/\/p2p\/.*/, '')), cause.map(({ context }) => context.why)]
  }

  test('is dialed by its IPs', async () => {
    expect(await dialed(new FakeNode(), [at('/dns/both.test'), at('/dns6/six.test'), at('/dns4/six.test')])).toEqual([
      ['/ip6/2001:db8::1/tcp/1', '/ip4/10.66.0.1/tcp/1', '/ip4/10.0.0.1/tcp/1'],
      [undefined, undefined, undefined],
    ])
  })

  test.each<[string, (fake: FakeNode) => DialerOptions | undefined, string]>([
    [
      'a filter',
      (fake) => {
        fake.filter = ({ ip }) => (ip?.startsWith('10.66.') === true ? 'deny' : undefined)
        return undefined
      },
      'net-restricted',
    ],
    ['netRestrict', () => ({ netRestrict: ['10.0.0.0/24'] }), 'net-restricted'],
    [
      'a ban',
      (fake) => {
        fake.banned.add(at('/ip4/10.66.0.1').toString())
        return undefined
      },
      'banned',
    ],
    [
      'the gater',
      (fake) => {
        fake.gater.denyDialMultiaddr = (address) => address.toString().startsWith('/ip4/10.66.')
        return undefined
      },
      'denied',
    ],
  ])('leads nowhere that %s denies', async (_, forbid, why) => {
    const [fake, other] = [new FakeNode(), new FakeNode()]
    expect(await dialed(fake, [at('/dns4/bad.test')], forbid(fake))).toEqual([[], [why]])
    expect(await dialed(other, [at('/dns/both.test')], forbid(other))).toEqual([['/ip4/10.0.0.1/tcp/1'], [undefined]])
  })

  test('that TLS needs is dialed as it is, unless one of its IPs is denied', async () => {
    const options = { netRestrict: ['10.0.0.0/24'] }
    expect(await dialed(new FakeNode(), [at('/dns/both.test', '/tls/ws')], options)).toEqual([[], ['net-restricted']])
    expect(await dialed(new FakeNode(), [at('/dns4/good.test', '/tls/ws')], options)).toEqual([
      ['/dns4/good.test/tcp/1/tls/ws'],
      [undefined],
    ])
  })

  test('that is not found, or not in time, leaves the other addresses theirs', async () => {
    expect(await dialed(new FakeNode(), [at('/dns4/none.test')])).toEqual([[], ['unresolved']])
    const slow: Lookup = async () => await new Promise<never>(() => {})
    expect(await dialed(new FakeNode(), [at('/dns4/slow.test'), at('/ip4/10.0.0.1')], { lookup: slow })).toEqual([
      ['/ip4/10.0.0.1/tcp/1'],
      [undefined],
    ])
  })
})

test('an option that is none is refused by name', () => {
  expect(() => dialer({ maxActiveDial: 3 } as DialerOptions)).toThrow(
    expect.objectContaining({
      code: 'dialer/bad-option',
      message: expect.stringContaining('maxActiveDial is no option of dialer: want static'),
    }),
  )
})

test.each([{ maxActiveDials: 0 }, { staggerMs: -1 }, { dialRatio: Number.NaN }])('%o cannot be meant', (options: DialerOptions) => {
  expect(() => dialer(options)).toThrow(expect.objectContaining({ code: 'dialer/bad-option' }))
})

describe('what is not dialed', () => {
  test('ourselves, and what is no target', async () => {
    const part = running(new FakeNode())
    await expect(part.dial(peer(0))).rejects.toMatchObject({ code: 'dialer/self' })
    for (const target of ['', 'enode://nonsense', '/ip4/1.2.3.4/tcp', 'nonsense', []]) {
      await expect(part.dial(target)).rejects.toMatchObject({ code: 'dialer/bad-target' })
    }
    await expect(part.dial([multiaddr(full(1)), multiaddr(full(2))])).rejects.toMatchObject({ code: 'dialer/bad-target' })
    expect(() => part.addStatic('/ip4/1.2.3.4/tcp/1')).toThrow(expect.objectContaining({ code: 'dialer/bad-target' }))
  })

  test('anything before the start and after the stop', async () => {
    const part = dialer()(new FakeNode().components())
    await expect(part.dial(full(1))).rejects.toMatchObject({ code: 'dialer/not-running' })
    part.start()
    part.afterStart()
    await part.stop()
    await expect(part.dial(full(1))).rejects.toMatchObject({ code: 'dialer/not-running' })
  })

  test('peers that are banned or denied', async () => {
    const fake = new FakeNode()
    fake.banned.add(peer(1).toString())
    fake.gater.denyDialPeer = async (peerId) => numberOf(peerId) === 2
    const part = running(fake)
    await expect(after(fake, 0, part.dial(full(1)))).rejects.toMatchObject({ code: 'dialer/banned' })
    await expect(after(fake, 0, part.dial(full(2)))).rejects.toMatchObject({ code: 'dialer/denied' })
    expect(fake.calls).toEqual([])
  })

  test('peers for whose connection there would be no room', async () => {
    const fake = new FakeNode()
    fake.refusal = { code: 'connection-manager/too-many-peers', reason: 'too-many-peers', detail: 'all 15 places are taken' }
    const part = running(fake)
    await expect(after(fake, 0, part.dial(full(1)))).rejects.toMatchObject({
      code: 'dialer/no-room',
      message: expect.stringContaining('all 15 places are taken'),
      context: { reason: 'too-many-peers' },
    })
    expect(fake.calls).toEqual([])
  })

  test('peers all of whose addresses the gater denies, those aside that cannot be dialed', async () => {
    const fake = new FakeNode()
    fake.gater.denyDialMultiaddr = () => true
    const part = running(fake)
    const target = [multiaddr(full(1)), multiaddr('/ip4/10.0.0.1/udp/1/quic-v1')]
    await expect(after(fake, 0, part.dial(target))).rejects.toMatchObject({ code: 'dialer/denied', name: 'DialDeniedError' })
  })

  test('addresses that a rule forbids', async () => {
    const fake = new FakeNode()
    fake.gater.denyDialMultiaddr = (denied) => denied.toString() === full(1, 1)
    fake.gater.filterMultiaddrForPeer = (peerId, asked) => !(numberOf(peerId) === 1 && asked.toString() === full(1, 2))
    fake.filter = ({ stage, ip, stack, direction }) =>
      stage === 'dial' && ip === '10.0.0.3' && stack === 'libp2p' && direction === 'outbound' ? 'deny' : undefined
    fake.banned.add(full(1, 4))
    const part = running(fake, { netRestrict: ['10.0.0.0/8', '192.168.0.0/16'] })
    const forbidden = [full(1, 1), full(1, 2), '/ip4/10.0.0.3/tcp/1', full(1, 4), '/ip4/11.0.0.1/tcp/1', '/dns/a.org/tcp/1']
    forbidden.push('/ip4/10.0.0.1/udp/1/quic-v1', node(0).addresses[0]?.toString() ?? '')
    const target = { ...node(1), addresses: forbidden.map((text) => multiaddr(text)) }
    await expect(after(fake, 0, part.dial([...target.addresses]))).rejects.toMatchObject({
      code: 'dialer/no-addresses',
      cause: {
        errors: expect.toSatisfy((errors: { context: { address: string; why: string } }[]) => {
          const why = new Map(errors.map(({ context }) => [context.address, context.why]))
          expect(forbidden.map((text) => why.get(text))).toEqual([
            'denied',
            'denied',
            'net-restricted',
            'banned',
            'net-restricted',
            'unresolved',
            'undialable',
            'own',
          ])
          return true
        }),
      },
    })
    expect(fake.calls).toEqual([])
  })
})

describe('concurrent dials to one peer', () => {
  test('are one, and each caller may leave without the others', async () => {
    const fake = new FakeNode().at(address(1), { does: 'connects', afterMs: 100 })
    const part = running(fake)
    const controller = new AbortController()
    const first = part.dial(full(1), { signal: controller.signal })
    const second = part.dial(full(1))
    const third = part.dial(peer(1))
    controller.abort(new Error('enough'))
    await expect(first).rejects.toThrow('enough')
    const [a, b] = await after(fake, 100, Promise.all([second, third]))
    expect(a).toBe(b)
    expect(fake.calls).toHaveLength(1)
  })

  test('end when all have left', async () => {
    const fake = new FakeNode()
    const part = running(fake)
    const controllers = [new AbortController(), new AbortController()]
    const dials = controllers.map(({ signal }) => part.dial(full(1), { signal }))
    for (const dial of dials) dial.catch(() => {})
    await fake.clock.advance(10)
    controllers[0]?.abort()
    await fake.clock.advance(10)
    expect(fake.callsUnderWay).toBe(1)
    controllers[1]?.abort()
    await fake.clock.advance(0)
    expect(fake.callsUnderWay).toBe(0)
    expect(part.status().dialing).toBe(0)
  })

  test('are made anew by one who knows other addresses', async () => {
    const fake = new FakeNode().at(address(1, 1), { does: 'fails', afterMs: 50 }).at(address(1, 2), { does: 'connects' })
    const part = running(fake)
    const first = part.dial(full(1, 1))
    first.catch(() => {})
    await after(fake, 60, part.dial(full(1, 2)))
    await expect(first).rejects.toMatchObject({ code: 'dialer/failed' })
    expect(fake.called).toEqual([`0 ${address(1, 1)}`, `50 ${address(1, 2)}`])
  })

  test('share a failure', async () => {
    const fake = new FakeNode().at(address(1), { does: 'fails', afterMs: 50 })
    const part = running(fake)
    const results = await after(fake, 60, Promise.allSettled([part.dial(full(1)), part.dial(full(1))]))
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(fake.calls).toHaveLength(1)
  })

  test('also join what the plan dials', async () => {
    const fake = new FakeNode().at(address(1), { does: 'connects', afterMs: 100 })
    const part = running(fake, { static: [full(1)] })
    await after(fake, 100, part.dial(peer(1)))
    expect(fake.calls).toHaveLength(1)
  })
})

describe('an open connection', () => {
  test('is reused unless forced', async () => {
    const fake = new FakeNode().at(address(1), { does: 'connects' })
    const part = running(fake)
    const first = await after(fake, 0, part.dial(full(1)))
    expect(await part.dial(peer(1))).toBe(first)
    expect(await part.dial(full(1, 7))).toBe(first)
    expect(await after(fake, 0, part.dial(full(1), { force: true }))).not.toBe(first)
  })

  test('is reused for a protocol that its stack can serve', async () => {
    const rlpx = `${address(1, 1)}/rlpx`
    const fake = new FakeNode().at(rlpx, { does: 'connects' }).at(address(1, 2), { does: 'connects' })
    fake.capabilities.add('/eth/69')
    fake.stored.set(peer(1).toString(), [rlpx, address(1, 2)])
    const part = running(fake)
    const ping = await after(fake, 0, part.dial(peer(1), { protocol: '/ipfs/ping/1.0.0' }))
    const eth = await after(fake, 0, part.dial(peer(1), { protocol: '/eth/69' }))
    expect([ping, eth].map(({ remoteAddr }) => remoteAddr.toString())).toEqual([full(1, 2), `${rlpx}/p2p/${peer(1)}`])
    expect(await part.dial(peer(1), { protocol: '/eth/69' })).toBe(eth)
    expect(await part.dial(peer(1), { protocol: '/ipfs/ping/1.0.0' })).toBe(ping)
    expect(fake.calls).toHaveLength(2)
  })

  test('to a peer with both stacks is one over RLPx where there are capabilities, and over libp2p where that is asked for', async () => {
    const rlpx = `${address(1, 1)}/rlpx`
    const fake = new FakeNode().at(rlpx, { does: 'connects' }).at(address(1, 2), { does: 'connects' })
    fake.capabilities.add('/eth/69')
    const part = running(fake)
    const both = [multiaddr(`${rlpx}/p2p/${peer(1)}`), multiaddr(full(1, 2))]
    const eth = await after(fake, 0, part.dial(both))
    const ping = await after(fake, 0, part.dial(both, { protocol: '/ipfs/ping/1.0.0' }))
    expect([eth, ping].map(({ remoteAddr }) => remoteAddr.toString())).toEqual([`${rlpx}/p2p/${peer(1)}`, full(1, 2)])
  })

  test('is reused for addresses of its stack', async () => {
    const rlpx = `${address(1, 1)}/rlpx`
    const fake = new FakeNode().at(rlpx, { does: 'connects' })
    fake.open(peer(1))
    const part = running(fake)
    const connection = await after(fake, 0, part.dial(`${rlpx}/p2p/${peer(1)}`))
    expect(connection.remoteAddr.toString()).toBe(`${rlpx}/p2p/${peer(1)}`)
    expect(await part.dial(full(1))).not.toBe(connection)
    expect(fake.calls).toHaveLength(1)
  })
})

describe('unasked', () => {
  test('static nodes are kept connected', async () => {
    const fake = new FakeNode().at(address(1), { does: 'connects' })
    const part = running(fake, { static: [full(1)] })
    await fake.clock.advance(100_000)
    expect(fake.called).toEqual([`0 ${address(1)}`])
    fake.drop(peer(1))
    await fake.clock.advance(0)
    expect(fake.called).toEqual([`0 ${address(1)}`, `100000 ${address(1)}`])
    expect(part.isStatic(peer(1))).toBe(true)
    expect(part.removeStatic(full(1))).toBe(true)
    expect(part.removeStatic(peer(1))).toBe(false)
    fake.drop(peer(1))
    await fake.clock.advance(200_000)
    expect(fake.calls).toHaveLength(2)
  })

  test('static nodes may be added before the start and while running', async () => {
    const fake = new FakeNode()
    const part = dialer()(fake.components())
    part.addStatic(full(1))
    expect(part.status()).toEqual({ dialing: 0, static: 1, history: 0, freeSlots: 0, refused: {} })
    for (let i = 0; i < 2; i++) {
      part.start()
      part.afterStart()
    }
    part.addStatic(full(2))
    await fake.clock.advance(0)
    expect(fake.called).toEqual([`0 ${address(1)}`, `0 ${address(2)}`])
    expect(part.status()).toEqual({ dialing: 2, static: 2, history: 2, freeSlots: 5, refused: {} })
    await part.stop()
  })

  test('a static node is asked for where its addresses do not serve', async () => {
    const fake = new FakeNode().at(address(1, 1), { does: 'fails' }).at(address(1, 2), { does: 'connects' })
    const asked: string[][] = []
    const resolve: DialerOptions['resolve'] = async ({ addresses }) => {
      asked.push(addresses.map(String))
      return node(1, [address(1, 2)])
    }
    running(fake, { static: [full(1, 1), peer(2)], resolve })
    await fake.clock.advance(0)
    expect(fake.called).toEqual([`0 ${address(1, 1)}`, `0 ${address(1, 2)}`])
    expect(asked.toSorted((a, b) => a.length - b.length)).toEqual([[], [full(1, 1)]])
    fake.drop(peer(1))
    await fake.clock.advance(36_000 * 1.1)
    expect(fake.called[2]).toMatch(address(1, 2))
  })

  test('nodes from sources are dialed as far as there are slots, and no more are asked for', async () => {
    const fake = new FakeNode()
    for (let i = 1; i < 30; i++) fake.at(address(i), { does: 'connects', afterMs: 100 })
    const numbers = source(Array.from({ length: 30 }, (_, i) => i))
    const part = running(fake, { sources: [numbers] })
    await fake.clock.advance(50)
    expect(part.status()).toMatchObject({ dialing: 10, freeSlots: 5, refused: { self: 1 } })
    await fake.clock.advance(1000)
    expect(part.status()).toMatchObject({ dialing: 0, freeSlots: 0 })
    expect(numbers.taken).toBe(11)
    for (let i = 1; i <= 6; i++) fake.drop(peer(i))
    await fake.clock.advance(0)
    expect(part.status().dialing).toBe(2)
    expect(numbers.taken).toBe(13)
  })

  test('what a source yields that is no node is passed over', async () => {
    const fake = new FakeNode().at(address(1), { does: 'connects' })
    const strange = [5, {}, { peerId: peer(1), addresses: ['/ip4/10.0.0.1'] }].map((node) => node as unknown as NodeRecord)
    const throwing = Object.defineProperty({}, 'peerId', { get: () => expect.unreachable() }) as NodeRecord
    running(fake, {
      sources: [
        {
          name: 'strange',
          async *nodes() {
            yield* [...strange, throwing, node(1) as NodeRecord]
          },
        },
      ],
    })
    await fake.clock.advance(0)
    expect(fake.calls).toHaveLength(1)
  })

  test('a node that no transport of ours can dial takes no slot', async () => {
    const fake = new FakeNode()
    const foreign = { peerId: peer(1), addresses: [multiaddr('/ip4/10.0.0.1/udp/1/quic-v1')] } as unknown as NodeRecord
    const part = running(fake, {
      sources: [
        {
          name: 'foreign',
          async *nodes() {
            yield foreign
          },
        },
      ],
    })
    await fake.clock.advance(0)
    expect(part.status()).toMatchObject({ history: 0, refused: { 'no-endpoint': 1 } })
  })

  test('a source may be added and removed while running', async () => {
    const fake = new FakeNode()
    const part = running(fake)
    const remove = part.addSource(source([1]))
    await fake.clock.advance(0)
    expect(fake.calls).toHaveLength(1)
    remove()
    remove()
    await fake.clock.advance(0)
    expect(fake.calls).toHaveLength(1)
  })

  test('a source that is added during the start is asked once', async () => {
    const fake = new FakeNode()
    const part = dialer()(fake.components())
    let asked = 0
    part.start()
    const remove = part.addSource({
      name: 'early',
      async *nodes({ signal } = {}) {
        asked++
        await new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve()))
        asked--
      },
    })
    part.afterStart()
    await fake.clock.advance(1)
    expect(asked).toBe(1)
    remove()
    await fake.clock.advance(1)
    expect(asked).toBe(0)
    await part.stop()
  })

  test('of what sources find, only nodes that a capability accepts are dialed, and trusted ones', async () => {
    const fake = new FakeNode()
    fake.accepts = ({ peerId }) => numberOf(peerId) === 2
    fake.trusted.add(peer(3).toString())
    const part = running(fake, { sources: [source([1, 2, 3, 4])], static: [full(5)] })
    await fake.clock.advance(0)
    const asked = part.dial(full(6)).catch(() => {})
    await fake.clock.advance(20_000)
    await asked
    expect([...new Set(fake.calls.map(({ peerId }) => numberOf(peerId ?? peer(63))))].sort()).toEqual([2, 3, 5, 6])
    expect(part.status().refused).toEqual({ 'not-accepted': 2 })
  })

  test('a source of nothing but refused nodes is not asked without end', async () => {
    const fake = new FakeNode()
    const ourselves = source(
      (function* () {
        for (;;) yield 0
      })(),
    )
    running(fake, { sources: [ourselves] })
    await fake.clock.advance(10_000)
    expect(ourselves.taken).toBeLessThan(60)
  })

  test('a bootnode is dialed after 20 s without peers', async () => {
    const fake = new FakeNode()
    running(fake, { bootnodes: [full(1), full(2)] })
    await fake.clock.advance(30_000)
    expect(fake.called).toEqual([`20000 ${address(1)}`, `30000 ${address(2)}`])
  })

  test('peers that were there before the start count', async () => {
    const fake = new FakeNode()
    fake.open(peer(1))
    fake.open(peer(2), multiaddr(address(2)), 'outbound')
    const part = running(fake, { static: [full(1)], bootnodes: [full(3)] })
    await fake.clock.advance(60_000)
    expect(fake.calls).toEqual([])
    expect(part.status().freeSlots).toBe(4)
  })

  test('peers that we dialed over libp2p take no slot where candidates are dialed over RLPx', async () => {
    const fake = new FakeNode()
    const part = running(fake)
    fake.open(peer(1), multiaddr(address(1)), 'outbound')
    expect(part.status().freeSlots).toBe(4)
    fake.capabilities.add('/eth/69')
    fake.open(peer(2), multiaddr(address(2)), 'outbound')
    expect(part.status().freeSlots).toBe(4)
    fake.open(peer(3), multiaddr(`${address(3)}/rlpx`), 'outbound')
    expect(part.status().freeSlots).toBe(3)
  })

  test('a node whose inbound connection is being set up is not dialed', async () => {
    const fake = new FakeNode()
    const part = running(fake)
    const ended = part.inbound(peer(1))
    part.addStatic(full(1))
    await fake.clock.advance(1000)
    expect(fake.calls).toEqual([])
    ended()
    ended()
    await fake.clock.advance(0)
    expect(fake.called).toEqual([`1000 ${address(1)}`])
  })

  test('nothing is dialed where dialing is off', async () => {
    const fake = new FakeNode().at(address(9), { does: 'connects' })
    const numbers = source([1])
    const part = running(fake, { noDial: true, static: [full(2)], bootnodes: [full(3)], sources: [numbers] })
    await fake.clock.advance(100_000)
    expect([fake.calls.length, numbers.taken, part.dialRatio]).toEqual([0, 0, 0])
    await after(fake, 0, part.dial(full(9)))
  })
})

describe('the stop', () => {
  test('ends all dials, lets sources go, and leaves nothing behind', async () => {
    const fake = new FakeNode()
    let isReturned = false
    const endless: NodeSource = {
      name: 'endless',
      async *nodes({ signal } = {}) {
        try {
          yield node(5) as NodeRecord
          await new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
        } finally {
          isReturned = true
        }
      },
    }
    const part = dialer({ static: [full(1)], sources: [endless], maxActiveDials: 4 })(fake.components())
    part.start()
    part.afterStart()
    await fake.clock.advance(10)
    expect(part.status()).toMatchObject({ dialing: 2 })
    const dials = [2, 3, 4, 6].map((number) => part.dial(full(number)))
    for (const dial of dials) dial.catch(() => {})
    await fake.clock.advance(10)
    expect(part.getDialQueue().map(({ status }) => status)).toEqual(['active', 'active', 'active', 'active', 'queued', 'queued'])
    await part.stop()
    await part.stop()
    for (const dial of dials) await expect(dial).rejects.toMatchObject({ code: 'dialer/stopped' })
    expect([fake.callsUnderWay, isReturned, fake.clock.pending]).toEqual([0, true, 0])
    fake.open(peer(9))
    expect(fake.clock.pending).toBe(0)
  })

  test('waits for a connector that does not let go, but not for ever, and closes what it opens', async () => {
    const fake = new FakeNode().at(address(1), { does: 'connects', afterMs: 20_000, isDeaf: true })
    const part = dialer({ static: [full(1)] })(fake.components())
    part.start()
    part.afterStart()
    await fake.clock.advance(10)
    let isStopped = false
    const stopping = part.stop().then(() => {
      isStopped = true
    })
    await fake.clock.advance(4999)
    expect(isStopped).toBe(false)
    await fake.clock.advance(1)
    await stopping
    await fake.clock.advance(20_000)
    expect(fake.connections.map(({ status }) => status)).toEqual(['aborted'])
  })
})
