import { setTimeout } from 'node:timers/promises'
import { upnpNat } from '@achingbrain/nat-port-mapper'
import { createHost } from '@kumiko/host'
import { rlpx } from '@kumiko/rlpx'
import { virtualClock } from '@kumiko/testkit'
import { udpSocket } from '@kumiko/udp'
import { afterEach, describe, expect, it } from 'vitest'
import { nat } from '../src/nat.ts'
import { type PmpBehaviour, pmpResponder } from './pmp-responder.ts'
import { stunResponder } from './stun-responder.ts'
import { type UpnpBehaviour, upnpResponder } from './upnp-responder.ts'
import { world as makeWorld, type World } from './world.ts'

const LISTEN = ['/ip4/0.0.0.0/tcp/30303/rlpx', '/ip4/0.0.0.0/tcp/4001'] as const
const UDP = { ip: '0.0.0.0', port: 30_303 }
const MAPPED = { 'tcp 30303': 30_303, 'udp 30303': 30_303, 'tcp 4001': 4001 }

const open: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close()
})

async function world(...[how, surroundings, options]: Parameters<typeof makeWorld>): Promise<World> {
  const made = await makeWorld(how, surroundings, { listen: LISTEN, udp: UDP, ...options })
  open.push({ close: () => made.service.stop() })
  return made
}

async function pmp(behaviour?: PmpBehaviour) {
  const responder = await pmpResponder(behaviour)
  open.push(responder)
  return { responder, surroundings: { gateways: async () => ['127.0.0.1'], pmpPort: responder.port } }
}

async function upnp(behaviour?: UpnpBehaviour) {
  const responder = await upnpResponder(behaviour)
  open.push(responder)
  return { responder, surroundings: { interfaces: () => ['127.0.0.1'], ssdp: responder.ssdp } }
}

async function mapped({ service }: World, count = 3): Promise<void> {
  await expect.poll(() => service.status(), { interval: 10 }).toMatchObject({ mappings: { length: count }, fault: undefined })
}

/** Starts on virtual time, and waits for the fault. */
async function failed(how: string, surroundings: Parameters<typeof makeWorld>[1], fault: object): Promise<World> {
  const clock = virtualClock()
  const node = await world(how, surroundings, { clock })
  node.service.start()
  await advanceUntil(clock, () => node.service.status().fault !== undefined)
  expect(node.service.status()).toMatchObject({ fault, gateway: undefined, mappings: [] })
  expect(node.record()).toBe('undefined undefined undefined')
  return node
}

describe.each(['pmp', 'pcp'] as const)('%s', (how) => {
  it('maps RLPx, discovery and libp2p, tells record and address manager, and takes all back', async () => {
    const { responder, surroundings } = await pmp({ speaks: how, portFor: (port) => port + 1 })
    const node = await world(how, surroundings)
    node.identity.record.setPorts(4, { udp: 30_303 })
    expect(node.record()).toBe('undefined undefined undefined')
    node.service.start()
    await mapped(node)
    expect(Object.fromEntries(responder.mappings)).toEqual({ 'tcp 30303': 30_304, 'udp 30303': 30_304, 'tcp 4001': 4002 })
    expect(node.record()).toBe('198.51.100.7 30304 30304')
    // A listener more: the Host writes the port inside into the record.
    node.listen(...LISTEN)
    expect(node.record()).toBe('198.51.100.7 30304 30304')
    expect([...node.publicMappings]).toEqual(['tcp 0.0.0.0:4001 > 198.51.100.7:4002'])
    expect(node.confirmed[0]).toEqual(expect.stringMatching(/^\/ip4\/198\.51\.100\.7\/tcp\/4002 ip-mapping 1(200000|199\d{3}(\.\d+)?)$/))
    expect(node.service.status()).toMatchObject({
      how,
      gateway: `${how === 'pmp' ? 'NAT-PMP' : 'PCP'} 127.0.0.1`,
      externalIp: '198.51.100.7',
    })
    await node.service.stop()
    expect(responder.mappings.size).toBe(0)
    expect(node.publicMappings.size).toBe(0)
    node.identity.record.setFallback(4, '127.0.0.1')
    expect(node.record()).toBe('127.0.0.1 30303 30303')
  })

  it('asks the gateway that is named, and no other', async () => {
    const { responder, surroundings } = await pmp({ speaks: how })
    const node = await world(`${how}:127.0.0.1`, { ...surroundings, gateways: async () => ['127.0.0.9'] })
    node.service.start()
    await mapped(node)
    expect(Object.fromEntries(responder.mappings)).toEqual(MAPPED)
  })

  it('renews before the lease ends, as the same client', async () => {
    const clock = virtualClock()
    const { responder, surroundings } = await pmp({ speaks: how, lifetimeS: 120 })
    const node = await world(how, surroundings, { clock })
    node.service.start()
    await clock.advance(100)
    await mapped(node)
    await idle(clock)
    const before = responder.requests.length
    await clock.advance(59_000)
    expect(responder.requests.length).toBe(before)
    await clock.advance(1000)
    await expect.poll(() => responder.requests.length).toBe(before + (how === 'pmp' ? 4 : 3))
    await idle(clock)
    await mapped(node)
  })

  it('passes over what answers something else, or nothing', async () => {
    const { surroundings } = await pmp({ speaks: how, isNoisy: true })
    const node = await world(how, surroundings)
    node.service.start()
    await mapped(node)
    expect(node.service.status().mappings.map(({ externalPort }) => externalPort)).toEqual([30_303, 30_303, 4001])
  })

  it('asks again when it hears nothing', async () => {
    const { surroundings } = await pmp({ speaks: how, deafTo: 2 })
    const node = await world(how, surroundings)
    node.service.start()
    await mapped(node)
  })

  it.each([
    [
      'does not speak it',
      { speaks: how === 'pmp' ? 'pcp' : 'pmp' },
      { fault: how === 'pmp' ? 'nat/no-answer' : 'nat/unsupported-version' },
    ],
    ['refuses', { speaks: how, result: how === 'pmp' ? 4 : 8 }, { fault: 'nat/refused' }],
    ['gives no port', { speaks: how, portFor: () => 0 }, { fault: 'nat/bad-answer' }],
  ] as const)('goes on without where the gateway %s', async (_, behaviour, fault) => {
    const { surroundings } = await pmp(behaviour)
    await failed(how, surroundings, fault)
  })

  it('goes on without where nobody listens', async () => {
    const gone = await pmpResponder()
    await gone.close()
    await failed(how, { gateways: async () => ['127.0.0.1'], pmpPort: gone.port }, { fault: 'nat/unreachable' })
  })
})

describe('upnp', () => {
  it.each([
    ['version 2', { version: 2 }],
    ['version 1', { version: 1 }],
    ['version 1, on PPP', { version: 1, service: 'urn:schemas-upnp-org:service:WANPPPConnection:1' }],
  ] as const)('maps by a gateway of %s, and removes what it mapped', async (_, behaviour) => {
    const { responder, surroundings } = await upnp(behaviour)
    const node = await world('upnp', surroundings)
    node.service.start()
    await mapped(node)
    expect(Object.fromEntries(responder.mappings)).toEqual({
      'TCP 30303': { client: '127.0.0.1', port: 30_303, leaseS: 1200, description: 'kumiko tcp 30303' },
      'UDP 30303': { client: '127.0.0.1', port: 30_303, leaseS: 1200, description: 'kumiko udp 30303' },
      'TCP 4001': { client: '127.0.0.1', port: 4001, leaseS: 1200, description: 'kumiko tcp 4001' },
    })
    expect(node.record()).toBe('198.51.100.7 30303 30303')
    expect(node.service.status().gateway).toBe(`UPnP ${responder.location.host}`)
    await node.service.stop()
    expect(responder.mappings.size).toBe(0)
    expect(responder.calls.filter((call) => call.startsWith('Delete')).sort()).toEqual([
      'DeletePortMapping TCP 30303',
      'DeletePortMapping TCP 4001',
      'DeletePortMapping UDP 30303',
    ])
  })

  it.each([1, 2] as const)(
    'takes another port where the wanted one is taken, by a gateway of version %i, and keeps it',
    async (version) => {
      const clock = virtualClock()
      const { responder, surroundings } = await upnp({ version, taken: [30_303] })
      const node = await world('upnp', surroundings, { clock, listen: [LISTEN[0]] })
      node.service.start()
      await advanceUntil(clock, () => node.service.status().mappings.length === 2)
      const [tcp, udp] = node.service.status().mappings.map(({ externalPort }) => externalPort)
      if (version === 2) expect([tcp, udp]).toEqual([31_303, 31_303])
      for (const port of [tcp, udp]) expect(port).toBeGreaterThanOrEqual(10_000)
      expect(tcp).not.toBe(30_303)
      expect(node.record()).toBe(`198.51.100.7 ${tcp} ${udp}`)
      expect([...responder.mappings.keys()]).toEqual([`TCP ${tcp}`, `UDP ${udp}`])
      await idle(clock)
      const before = responder.calls.length
      await clock.advance(600_000)
      await expect.poll(() => responder.calls.length).toBe(before + 3)
      expect(responder.calls.slice(-2)).toEqual([`AddPortMapping TCP ${tcp}`, `AddPortMapping UDP ${udp}`])
      await idle(clock)
      const stopping = node.service.stop()
      await stopping
      expect(responder.mappings.size).toBe(0)
    },
  )

  it('takes a mapping that does not end where the gateway gives no other, and removes it all the same', async () => {
    const { responder, surroundings } = await upnp({ isPermanentOnly: true })
    const node = await world('upnp', surroundings)
    node.service.start()
    await mapped(node)
    expect([...responder.mappings.values()].map(({ leaseS }) => leaseS)).toEqual([0, 0, 0])
    await node.service.stop()
    expect(responder.mappings.size).toBe(0)
  })

  it.each([
    ['has no address', { externalIp: '0.0.0.0' }, { fault: 'nat/bad-answer' }],
    ['maps no ports', { description: '<root/>' }, { fault: 'nat/bad-description' }],
    ['sends us elsewhere', { location: 'http://127.0.0.2:1/' }, { fault: 'nat/no-answer' }],
    ['tells too much', { description: 'x'.repeat(300_000) }, { fault: 'nat/bad-answer' }],
  ])('goes on without a gateway that %s', async (_, behaviour, fault) => {
    const { surroundings } = await upnp(behaviour)
    await failed('upnp', surroundings, fault)
  })

  it('gives up a gateway that holds its answer back', async () => {
    const { surroundings } = await upnp({ isSilent: true })
    await failed('upnp', surroundings, { fault: 'nat/no-answer' })
  })

  it('is spoken by the gateway of these tests as another client speaks it', async () => {
    const { responder } = await upnp()
    const gateway = await upnpNat().getGateway(responder.location)
    await gateway.map(1234, '127.0.0.1', { protocol: 'udp', description: 'other', autoRefresh: false })
    expect(await gateway.externalIp()).toBe('198.51.100.7')
    expect(responder.mappings.get('UDP 1234')).toEqual({ client: '127.0.0.1', port: 1234, leaseS: 3600, description: 'other' })
  })
})

describe('any', () => {
  it.each([
    ['NAT-PMP', async () => (await pmp({ speaks: 'pmp' })).surroundings],
    ['PCP', async () => (await pmp({ speaks: 'pcp' })).surroundings],
    ['UPnP', async () => (await upnp()).surroundings],
  ])('finds a gateway that speaks %s alone', async (name, surround) => {
    const node = await world('any', await surround())
    node.service.start()
    await mapped(node)
    expect(node.service.status().gateway).toMatch(new RegExp(`^${name} `))
  })

  it('tells why where there is none, and stops while it searches', async () => {
    await failed('any', { gateways: async () => [] }, { fault: 'nat/no-answer' })
    const { surroundings } = await pmp({ deafTo: 1000 })
    const searching = await world('any', surroundings)
    searching.service.start()
    await setTimeout(200)
    const startMs = performance.now()
    await searching.service.stop()
    expect(performance.now() - startMs).toBeLessThan(1000)
  })
})

describe('stun', () => {
  it('learns the address, and when it changes, and takes ports for the same outside', async () => {
    const clock = virtualClock()
    const server = await stunResponder('198.51.100.9')
    open.push(server)
    const node = await world(`stun:127.0.0.1:${server.port}`, {}, { clock })
    node.identity.record.setPorts(4, { udp: 30_303 })
    node.service.start()
    await clock.advance(100)
    await expect.poll(() => node.record()).toBe('198.51.100.9 30303 30303')
    server.ip = '198.51.100.10'
    await idle(clock)
    await clock.advance(600_000)
    await expect.poll(() => node.record()).toBe('198.51.100.10 30303 30303')
    expect([...node.publicMappings]).toEqual(['tcp 0.0.0.0:4001 > 198.51.100.10:4001'])
    expect(server.count).toBe(2)
  })

  it('goes on without a server that is none, or has no address', async () => {
    const resolve = async () => Promise.reject(new Error('ENOTFOUND'))
    await failed('stun:nowhere.invalid:1', { resolve }, { fault: 'nat/unreachable' })
  })

  it('tells nobody of an address that the world does not reach', async () => {
    const server = await stunResponder('192.168.7.7')
    open.push(server)
    const node = await world(`stun:127.0.0.1:${server.port}`, {})
    node.service.start()
    await mapped(node)
    expect(node.service.status().externalIp).toBe('192.168.7.7')
    expect(node.record()).toBe('undefined undefined undefined')
  })
})

describe('extip', () => {
  it('is told at once, whatever it is, and asks nobody', async () => {
    const node = await world('extip:10.9.8.7', {}, { listen: ['/ip4/127.0.0.1/tcp/30303/rlpx'] })
    node.service.start()
    expect(node.record()).toBe('10.9.8.7 30303 undefined')
    await node.service.stop()
  })

  it('may be IPv6', async () => {
    const node = await world('extip:2001:db8::1', {})
    node.service.start()
    expect(node.identity.record.node.endpoints[0]?.host).toBe('2001:db8::1')
  })
})

describe('nothing is asked or mapped', () => {
  it.each(['any', 'upnp', 'pmp', 'pcp', 'stun:127.0.0.1:1', 'none'])('on loopback only, by %s', async (how) => {
    const clock = virtualClock()
    const { responder, surroundings } = await pmp()
    const gateway = await upnp()
    const node = await world(
      how,
      { ...surroundings, ...gateway.surroundings },
      {
        clock,
        listen: ['/ip4/127.0.0.1/tcp/30303/rlpx', '/ip6/::1/tcp/4001'],
        udp: { ip: '127.0.0.1', port: 30_303 },
      },
    )
    node.service.start()
    await clock.advance(3_600_000)
    expect(responder.requests).toEqual([])
    expect(gateway.responder.calls).toEqual([])
    expect(clock.pending).toBe(0)
    node.listen('/ip4/127.0.0.1/tcp/30304/rlpx')
    await clock.advance(3_600_000)
    expect(responder.requests).toEqual([])
    expect(node.service.status()).toMatchObject({ gateway: undefined, mappings: [], fault: undefined })
  })
})

describe('the node', () => {
  it('may announce an address itself: the record keeps that', async () => {
    const { surroundings } = await pmp()
    const node = await world('pmp', surroundings, { announce: ['/ip4/203.0.113.9/tcp/443/rlpx'] })
    node.identity.record.setStaticIp(4, '203.0.113.9')
    node.identity.record.setPorts(4, { tcp: 443 })
    node.service.start()
    await mapped(node)
    expect(node.record()).toBe('203.0.113.9 443 30303')
    await node.service.stop()
    expect(node.record()).toBe('203.0.113.9 443 30303')
  })

  it('may open discovery after the start: its port is learned from the record, once', async () => {
    const { responder, surroundings } = await pmp({ portFor: (port) => port + 1 })
    const node = await makeWorld('pmp', surroundings, { listen: [LISTEN[0]] })
    open.push({ close: () => node.service.stop() })
    node.identity.record.setFallback(4, '127.0.0.1')
    node.service.start()
    await mapped(node, 1)
    node.identity.record.setPorts(4, { udp: 30_301 })
    await mapped(node, 2)
    expect(node.record()).toBe('198.51.100.7 30304 30302')
    await setTimeout(250)
    expect(Object.fromEntries(responder.mappings)).toEqual({ 'tcp 30303': 30_304, 'udp 30301': 30_302 })
  })

  it('may be a vanilla one, without a record', async () => {
    const { surroundings } = await pmp()
    const node = await world('pmp', surroundings, { isVanilla: true })
    node.service.start()
    await mapped(node)
    expect([...node.publicMappings]).toEqual(['tcp 0.0.0.0:4001 > 198.51.100.7:4001'])
  })

  it('may be a Host on loopback: it starts, asks nobody, and leaves nothing open', async () => {
    const udp = udpSocket({ port: 0, hosts: ['127.0.0.1'] })
    const host = await createHost({
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0/rlpx'] },
      transports: [rlpx()],
      services: { nat: nat({ how: 'any', udp }) },
    })
    await host.start()
    await setTimeout(200)
    expect(host.services.nat.status()).toEqual({ how: 'any', gateway: undefined, externalIp: undefined, mappings: [], fault: undefined })
    await host.stop()
    expect(process.getActiveResourcesInfo().filter((type) => type === 'UDPWrap')).toEqual([])
  })

  it('leaves no socket and no timer behind, also when it stops while it asks', async () => {
    const { surroundings } = await pmp({ deafTo: 1 })
    const { surroundings: more } = await upnp({ isSilent: true })
    for (const waitMs of [0, 101, 150, 400]) {
      const node = await world('any', { ...surroundings, ...more })
      node.service.start()
      await setTimeout(waitMs)
      await node.service.stop()
    }
    for (const each of open.splice(0)) await each.close()
    // A socket is gone some turns after it was closed.
    for (let turn = 0; turn < 1000 && resources().length > 0; turn++) await setTimeout(3)
    expect(resources()).toEqual([])
  })
})

const resources = (): string[] => process.getActiveResourcesInfo().filter((type) => /UDP|TCP|Timeout/.test(type))

/** The round is over when nothing waits but the next one, and goes on to. */
async function idle(clock: ReturnType<typeof virtualClock>): Promise<void> {
  for (let turns = 0; turns < 5; turns = clock.pending === 1 ? turns + 1 : 0) await setTimeout(3)
}

/** Answers of real sockets come while the clock stands still: it moves on only when nothing more does. */
async function advanceUntil(clock: ReturnType<typeof virtualClock>, check: () => boolean): Promise<void> {
  for (let turn = 0; turn < 2000 && !check(); turn++) {
    await clock.advance(25)
    await setTimeout(3)
  }
  expect(check()).toBe(true)
}
