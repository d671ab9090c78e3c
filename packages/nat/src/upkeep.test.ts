import type { Fault, Millis } from '@kumiko/interface'
import { virtualClock } from '@kumiko/testkit'
import { defaultLogger } from '@libp2p/logger'
import { describe, expect, it } from 'vitest'
import type { Announcement, PublicPort } from './announcement.ts'
import type { Gateway } from './gateway.ts'
import type { OwnPort } from './ports.ts'
import { nextRoundMs, Upkeep } from './upkeep.ts'

const MINUTE_MS = 60_000
const RLPX: OwnPort = { protocol: 'tcp', ip: '0.0.0.0', port: 30_303, use: 'rlpx' }
const DISCOVERY: OwnPort = { protocol: 'udp', ip: '0.0.0.0', port: 30_303, use: 'discovery' }

describe('rounds', () => {
  it.each([
    ['half of what holds', 20 * MINUTE_MS, 0, 10 * MINUTE_MS],
    ['ten minutes at most', 1e9, 0, 10 * MINUTE_MS],
    ['half a minute at least', 1000, 0, 30_000],
    ['never, where nothing ends', Number.POSITIVE_INFINITY, 0, Number.POSITIVE_INFINITY],
    ['half a minute after a failure', Number.POSITIVE_INFINITY, 1, 30_000],
    ['later after more', Number.POSITIVE_INFINITY, 4, 240_000],
    ['half an hour at most', Number.POSITIVE_INFINITY, 1000, 30 * MINUTE_MS],
    ['in time for what still holds', 4 * MINUTE_MS, 9, 2 * MINUTE_MS],
  ])('come after %s', (_, holdsMs, failures, expected) => {
    expect(nextRoundMs(holdsMs, failures)).toBe(expected)
  })
})

describe('mappings', () => {
  it('are made soon after the start, told, renewed at half their life with the port that was given, and removed at the end', async () => {
    const world = setup({ lifetimeMs: 20 * MINUTE_MS, portFor: (port) => port + 1 })
    await world.clock.advance(100)
    expect(world.log).toEqual(['find', 'map tcp 30303 30303', 'map udp 30303 30303'])
    expect(world.told).toEqual(['198.51.100.7 tcp 30303>30304 udp 30303>30304'])
    world.log.length = 0
    await world.clock.advance(10 * MINUTE_MS - 1)
    expect(world.log).toEqual([])
    await world.clock.advance(1)
    expect(world.log).toEqual(['map tcp 30303 30304', 'map udp 30303 30304'])
    world.log.length = 0
    await world.upkeep.stop()
    expect(world.log.sort()).toEqual(['unmap tcp 30303 30304', 'unmap udp 30303 30304'])
    expect(world.told.at(-1)).toBe('nothing')
    expect(world.clock.pending).toBe(0)
  })

  it('follow the ports: one that closes is removed, one that opens is mapped', async () => {
    const world = setup({ lifetimeMs: Number.POSITIVE_INFINITY })
    await world.clock.advance(100)
    world.log.length = 0
    world.ports = [RLPX, { ...DISCOVERY, port: 9000 }]
    world.upkeep.changed()
    expect(world.told.at(-1)).toBe('198.51.100.7 tcp 30303>30303')
    await world.clock.advance(100)
    expect(world.log).toEqual(['unmap udp 30303 30303', 'map tcp 30303 30303', 'map udp 9000 9000'])
    world.ports = []
    world.upkeep.changed()
    await world.clock.advance(100)
    expect(world.told.at(-1)).toBe('nothing')
    expect(world.log.slice(3)).toEqual(['unmap tcp 30303 30303', 'unmap udp 9000 9000'])
    await world.upkeep.stop()
  })

  it('are not asked for, and no gateway is, where there is no port', async () => {
    const world = setup({}, [])
    await world.clock.advance(60 * MINUTE_MS)
    expect(world.log).toEqual([])
    expect(world.clock.pending).toBe(0)
    await world.upkeep.stop()
  })

  it('that end at once are none, and are asked for again', async () => {
    const world = setup({ lifetimeMs: 0 })
    await world.clock.advance(100)
    expect(world.told).toEqual(['nothing'])
    expect(world.upkeep.state.fault).toEqual({ fault: 'nat/bad-answer', detail: 'test: the mapping ends at once' })
    world.gateway.lifetimeMs = 20 * MINUTE_MS
    await world.clock.advance(30_000)
    expect(world.told.at(-1)).toBe('198.51.100.7 tcp 30303>30303 udp 30303>30303')
    await world.upkeep.stop()
  })

  it('are told anew when the address outside is another', async () => {
    const world = setup({ lifetimeMs: 20 * MINUTE_MS })
    await world.clock.advance(100)
    world.gateway.ip = '198.51.100.8'
    await world.clock.advance(10 * MINUTE_MS)
    expect(world.told.at(-1)).toBe('198.51.100.8 tcp 30303>30303 udp 30303>30303')
    await world.upkeep.stop()
  })

  it.each(['192.168.0.9', '10.1.2.3', '100.64.0.1', '127.0.0.1', '0.0.0.0'])(
    'are not told where the gateway itself is behind another, at %s',
    async (ip) => {
      const world = setup({ ip })
      await world.clock.advance(100)
      expect(world.log).toContain('map tcp 30303 30303')
      expect(new Set(world.told)).toEqual(new Set(['nothing']))
      await world.upkeep.stop()
    },
  )

  it('are told at once and always where the address is known, be there a port or not', async () => {
    const world = setup({ lifetimeMs: Number.POSITIVE_INFINITY, ip: '10.0.0.1' }, [], '10.0.0.1')
    expect(world.told).toEqual(['10.0.0.1'])
    await world.clock.advance(100)
    world.ports = [RLPX]
    world.upkeep.changed()
    await world.clock.advance(100)
    expect(world.told.at(-1)).toBe('10.0.0.1 tcp 30303>30303')
    await world.upkeep.stop()
  })
})

describe('failures', () => {
  it('are tried again, later each time, with the gateway looked for anew', async () => {
    const world = setup({})
    world.gateway.missing = { fault: 'nat/no-answer' }
    await world.clock.advance(100)
    const times: Millis[] = []
    for (let i = 0; i < 3; i++) {
      const [from, finds] = [world.clock.now(), world.log.length]
      while (world.log.length === finds) await world.clock.advance(1000)
      times.push(Math.round((world.clock.now() - from) / 1000))
    }
    expect(times).toEqual([30, 60, 120])
    expect(new Set(world.log)).toEqual(new Set(['find']))
    expect(world.upkeep.state).toMatchObject({ gateway: undefined, fault: { fault: 'nat/no-answer' } })
    world.gateway.missing = undefined
    await world.clock.advance(240_000)
    expect(world.upkeep.state).toMatchObject({ gateway: 'test', fault: undefined, externalIp: '198.51.100.7' })
    await world.upkeep.stop()
  })

  it('of one port leave the others mapped, and are tried again', async () => {
    const world = setup({ lifetimeMs: 20 * MINUTE_MS })
    world.gateway.refused = new Set(['tcp'])
    await world.clock.advance(100)
    expect(world.told.at(-1)).toBe('198.51.100.7 udp 30303>30303')
    expect(world.upkeep.state.fault).toEqual({ fault: 'nat/refused' })
    world.gateway.refused = new Set()
    await world.clock.advance(30_000)
    expect(world.told.at(-1)).toBe('198.51.100.7 tcp 30303>30303 udp 30303>30303')
    await world.upkeep.stop()
  })

  it('leave what is mapped told until it ends, and no longer', async () => {
    const world = setup({ lifetimeMs: 20 * MINUTE_MS })
    await world.clock.advance(100)
    world.gateway.missing = { fault: 'nat/unreachable' }
    world.gateway.lost = { fault: 'nat/unreachable' }
    await world.clock.advance(19 * MINUTE_MS)
    expect(world.told.at(-1)).toMatch(/^198.51.100.7 tcp/)
    await world.clock.advance(5 * MINUTE_MS)
    expect(world.told.at(-1)).toBe('nothing')
    await world.upkeep.stop()
  })

  it('of a gateway to answer at all end the round, and the stop', async () => {
    const world = setup({})
    world.gateway.isStuck = true
    await world.clock.advance(100 + 30_000)
    expect(world.upkeep.state.fault).toMatchObject({ fault: 'nat/no-answer' })
    await world.clock.advance(30_000)
    const stopped = world.upkeep.stop()
    let isDone = false
    void stopped.then(() => {
      isDone = true
    })
    await world.clock.advance(2999)
    expect(isDone).toBe(false)
    await world.clock.advance(1)
    await stopped
    // What was asked for and never answered may be mapped, and is removed.
    expect(world.log.filter((line) => line.startsWith('unmap'))).toEqual(['unmap tcp 30303 30303'])
    expect(world.clock.pending).toBe(0)
  })
})

interface TestGateway {
  ip: string
  lifetimeMs: Millis
  portFor(port: number): number
  missing: Fault | undefined
  lost: Fault | undefined
  refused: ReadonlySet<string>
  isStuck: boolean
}

function setup(behaviour: Partial<TestGateway>, ports: OwnPort[] = [RLPX, DISCOVERY], knownIp?: string) {
  const clock = virtualClock()
  const log: string[] = []
  const told: string[] = []
  const gateway: TestGateway = {
    ip: '198.51.100.7',
    lifetimeMs: 20 * MINUTE_MS,
    portFor: (port) => port,
    missing: undefined,
    lost: undefined,
    refused: new Set(),
    isStuck: false,
    ...behaviour,
  }
  const stuck = (signal: AbortSignal) =>
    new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
  const plug: Gateway = {
    name: 'test',
    localIp: '127.0.0.1',
    externalIp: async () => gateway.lost ?? gateway.ip,
    async map({ protocol, internalPort, externalPort }, signal) {
      log.push(`map ${protocol} ${internalPort} ${externalPort}`)
      if (gateway.isStuck) return await stuck(signal)
      if (gateway.refused.has(protocol)) return { fault: 'nat/refused' }
      return { externalPort: gateway.portFor(internalPort), lifetimeMs: gateway.lifetimeMs }
    },
    async unmap({ protocol, internalPort, externalPort }, signal) {
      log.push(`unmap ${protocol} ${internalPort} ${externalPort}`)
      if (gateway.isStuck) await stuck(signal)
    },
  }
  const announcement: Pick<Announcement, 'tell'> = {
    tell: (ip: string | undefined, list: readonly PublicPort[]) =>
      void told.push(
        ip === undefined ? 'nothing' : [ip, ...list.map((each) => `${each.protocol} ${each.port}>${each.externalPort}`)].join(' '),
      ),
  }
  const world = { clock, log, told, gateway, ports }
  const upkeep = new Upkeep({
    clock,
    log: defaultLogger().forComponent('test'),
    randomBytes: (length) => new Uint8Array(length),
    announcement,
    knownIp,
    ports: () => world.ports,
    find: async () => {
      log.push('find')
      return gateway.missing ?? plug
    },
  })
  upkeep.changed()
  return Object.assign(world, { upkeep })
}
