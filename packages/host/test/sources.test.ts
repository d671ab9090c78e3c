import { connectionManager } from '@kumiko/connection-manager'
import { dialer } from '@kumiko/dialer'
import type { HostOptions } from '@kumiko/host'
import { curve, encodeRlp, nodeFromParts } from '@kumiko/identity'
import { type Capability, type Host, type Millis, type NodeRecord, type NodeSource, sleep } from '@kumiko/interface'
import type { StreamNetwork } from '@kumiko/rlpx'
import { type VirtualClock, type VirtualNetwork, virtualClock, virtualNetwork } from '@kumiko/testkit'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { networkAt, PORT, startVirtualHost } from './virtual-hosts.ts'

let clock: VirtualClock
let network: VirtualNetwork
/** Where the Host under test tried to connect, in order. */
let tried: string[]
const running: Host[] = []

beforeEach(() => {
  clock = virtualClock()
  network = virtualNetwork({ clock })
  tried = []
})

afterEach(async () => {
  await during(Promise.all(running.splice(0).map((host) => host.stop())))
  expect([network.connections, clock.pending]).toEqual([0, 0])
})

/** Moves the clock on until a promise is settled; at most 100 s. */
async function during<T>(promise: Promise<T>): Promise<T> {
  let isSettled = false
  const settle = (): void => {
    isSettled = true
  }
  promise.then(settle, settle)
  for (let step = 0; step < 10_000 && !isSettled; step++) await clock.advance(10)
  return await promise
}

const echo: Capability = {
  name: 'echo',
  version: 1,
  length: 1,
  run: async (channel) => {
    for await (const _ of channel);
  },
}

/** Accepts nodes whose records say `fit`. */
const choosy: Capability = { ...echo, accepts: (node) => node.entry('fit') !== undefined }

/** A capability whose record says `fit`. */
const fit: Capability = { ...echo, attributes: () => ({ fit: encodeRlp(1) }) }

async function start(ip: string, capability: Capability, options: Parameters<typeof startVirtualHost>[3] = {}): Promise<Host> {
  const host = await during(startVirtualHost(network, ip, capability, { clock, ...options }))
  running.push(host)
  return host
}

/** The Host under test, at 10.0.0.1: what it tries is written down. */
async function startHost(capability: Capability, options: Omit<HostOptions, 'transports'> = {}): Promise<Host> {
  const base = networkAt('10.0.0.1', network)
  const dial: StreamNetwork['dial'] = async (host, port, signal) => {
    tried.push(host)
    return await base.dial(host, port, signal)
  }
  return await start('10.0.0.1', capability, {
    rlpx: { network: { ...base, dial } },
    connectionManager: connectionManager({ maxPeers: 30 }),
    ...options,
  })
}

/** A source that repeats these nodes, one every so often. */
function repeating(nodes: readonly NodeRecord[], everyMs: Millis = 100): NodeSource & { isAsked: boolean } {
  const source = {
    name: 'repeating',
    isAsked: false,
    async *nodes({ signal }: { signal?: AbortSignal } = {}) {
      source.isAsked = true
      try {
        while (signal?.aborted !== true) {
          for (const node of nodes) {
            yield node
            await sleep(clock, everyMs, signal).catch(() => {})
          }
        }
      } finally {
        source.isAsked = false
      }
    },
  }
  return source
}

const nodesOf = (hosts: readonly Host[]): NodeRecord[] => hosts.map(({ identity }) => identity.record.node)
const bare = ({ publicKey, endpoints }: NodeRecord): NodeRecord => nodeFromParts({ publicKey, endpoints })
const peersOf = (host: Host): string[] => host.getPeers().map(String).sort()
const idsOf = (hosts: readonly Host[]): string[] => hosts.map(({ peerId }) => peerId.toString()).sort()

/** A node that is nowhere, with an address that tells its number. */
function nowhere(number: number): NodeRecord {
  const key = new Uint8Array(32).fill(1)
  new DataView(key.buffer).setUint32(4, number)
  const publicKey = curve.compress(curve.publicKey(key))
  return nodeFromParts({ publicKey, endpoints: [{ host: `10.9.${(number >> 8) & 255}.${number & 255}`, tcp: PORT }] })
}

describe('a source of a capability', () => {
  test('is asked while the capability is offered', async () => {
    const [first, second] = [await start('10.0.0.2', echo), await start('10.0.0.3', echo)]
    const [named, added] = [repeating(nodesOf([first])), repeating(nodesOf([second]))]
    const host = await startHost({ ...echo, sources: [named] })
    await clock.advance(1000)
    expect(peersOf(host)).toEqual(idsOf([first]))
    const remove = host.capabilities.add({ ...echo, name: 'other', sources: [added] })
    expect(added.isAsked).toBe(false)
    await clock.advance(1000)
    expect(peersOf(host)).toEqual(idsOf([first, second]))
    expect([named.isAsked, added.isAsked]).toEqual([true, true])
    remove()
    await clock.advance(1000)
    expect([named.isAsked, added.isAsked]).toEqual([true, false])
  })

  test('that several name is asked once, until the last of them is removed', async () => {
    let asked = 0
    const shared: NodeSource = {
      name: 'shared',
      async *nodes({ signal } = {}) {
        asked++
        await sleep(clock, 1e9, signal).catch(() => {})
        asked--
      },
    }
    const host = await startHost(echo, { discovery: [] })
    const removes = [68, 69].map((version) => host.capabilities.add({ ...echo, name: 'eth', version, sources: [shared] }))
    await clock.advance(1000)
    expect(asked).toBe(1)
    removes[0]?.()
    await clock.advance(1000)
    expect(asked).toBe(1)
    removes[1]?.()
    await clock.advance(1000)
    expect(asked).toBe(0)
  })
})

describe('a node that a source finds', () => {
  test('is dialed if a capability accepts it, and if one has no opinion', async () => {
    const [good, bad] = [await start('10.0.0.2', fit), await start('10.0.0.3', echo)]
    const host = await startHost(choosy, { discovery: [() => repeating(nodesOf([bad, good]))] })
    await clock.advance(60_000)
    expect(peersOf(host)).toEqual(idsOf([good]))
    expect(tried).toEqual(['10.0.0.2'])
    expect(host.dialer.status().refused['not-accepted']).toBeGreaterThan(10)
    const remove = host.capabilities.add({ ...echo, name: 'any' })
    await clock.advance(1000)
    expect(peersOf(host)).toEqual(idsOf([good, bad]))
    remove()
  })

  test('is dialed anyway when it is asked for, static or trusted', async () => {
    const [asked, kept, trusted] = [await start('10.0.0.2', echo), await start('10.0.0.3', echo), await start('10.0.0.4', echo)]
    const host = await startHost(choosy, {
      discovery: [() => repeating(nodesOf([trusted]))],
      dialer: dialer({ static: [kept.identity.enode] }),
      connectionManager: connectionManager({ trusted: [trusted.identity.enode] }),
    })
    await during(host.dial(asked.identity.enode))
    await clock.advance(1000)
    expect(peersOf(host)).toEqual(idsOf([asked, kept, trusted]))
  })

  test('and knows without a record is asked for it, and dialed if that is accepted', async () => {
    const [good, bad] = [await start('10.0.0.2', fit), await start('10.0.0.3', echo)]
    const records = nodesOf([good, bad])
    const asked: string[] = []
    const source: NodeSource = {
      ...repeating(records.map(bare)),
      requestEnr: async ({ nodeId }) => {
        asked.push(nodeId)
        return records.find((record) => record.nodeId === nodeId)
      },
    }
    const host = await startHost(choosy, { discovery: [() => source] })
    await clock.advance(1000)
    expect(peersOf(host)).toEqual(idsOf([good]))
    expect(new Set(asked)).toEqual(new Set(records.map(({ nodeId }) => nodeId)))
    expect(tried).toEqual(['10.0.0.2'])
  })

  test('and knows without a record is refused where it cannot be asked', async () => {
    const good = await start('10.0.0.2', fit)
    const host = await startHost(choosy, { discovery: [() => repeating(nodesOf([good]).map(bare))] })
    await clock.advance(10_000)
    expect([peersOf(host), tried]).toEqual([[], []])
  })
})

describe('a bad source beside a good one holds nobody up:', () => {
  const silent: NodeSource = {
    name: 'silent',
    nodes: () => ({
      [Symbol.asyncIterator]: () => ({
        next: async () => await new Promise<never>(() => {}),
        return: async () => ({ done: true, value: undefined }),
      }),
    }),
  }
  const throwing: NodeSource = {
    name: 'throwing',
    async *nodes() {
      yield* []
      throw new Error('broken')
    },
  }
  const throwingAtOnce: NodeSource = {
    name: 'throwing-at-once',
    nodes: () => {
      throw new Error('broken')
    },
  }
  const unanswered: NodeSource = {
    name: 'unanswered',
    async *nodes() {
      for (let number = 0; ; number++) yield nowhere(number)
    },
    requestEnr: async () => await new Promise<never>(() => {}),
  }
  const unfit: NodeSource = {
    name: 'unfit',
    async *nodes() {
      for (let number = 0; ; number = (number + 1) % 1000) yield nowhere(number)
    },
  }

  test.each([silent, throwing, throwingAtOnce, unanswered, unfit])('$name', async (bad) => {
    const good = [await start('10.0.0.2', fit), await start('10.0.0.3', fit), await start('10.0.0.4', fit), await start('10.0.0.5', fit)]
    const host = await startHost(choosy, { discovery: [() => bad, () => repeating(nodesOf(good))] })
    await clock.advance(12_000)
    expect(peersOf(host)).toEqual(idsOf(good))
    expect(tried).toHaveLength(4)
  })

  test('one that floods with nodes that are nowhere', async () => {
    const good = [
      await start('10.0.0.2', echo),
      await start('10.0.0.3', echo),
      await start('10.0.0.4', echo),
      await start('10.0.0.5', echo),
    ]
    const host = await startHost(echo, { discovery: [() => unfit, () => repeating(nodesOf(good))] })
    await clock.advance(2000)
    expect(peersOf(host)).toEqual(idsOf(good))
    const others = tried.filter((ip) => ip.startsWith('10.9.'))
    expect(others.length).toBeGreaterThan(4)
    expect(new Set(others).size).toBe(others.length)
  })
})

describe('no attempt is made to reach a node that', () => {
  test.each<[string, Omit<HostOptions, 'transports'>]>([
    [
      'a filter denies, by its address',
      { connectionManager: connectionManager({ filters: [({ ip }) => (ip?.startsWith('10.66.') === true ? 'deny' : undefined)] }) },
    ],
    [
      'a filter does not allow, where others are denied by default',
      { connectionManager: connectionManager({ filters: [({ ip }) => (ip === '10.0.0.2' ? 'accept' : 'deny')] }) },
    ],
    ['is outside of netRestrict', { dialer: dialer({ netRestrict: ['10.0.0.0/24'] }) }],
    ['the gater denies by its address', { connectionGater: { denyDialMultiaddr: async (address) => `${address}`.includes('10.66.') } }],
  ])('%s', async (_, options) => {
    const good = await start('10.0.0.2', echo)
    const denied = [await start('10.66.0.1', echo), await start('10.66.0.2', echo), await start('10.66.0.3', echo)]
    const host = await startHost(echo, { discovery: [() => repeating(nodesOf([...denied, good]))], ...options })
    await clock.advance(60_000)
    for (const { identity } of denied) {
      await expect(during(host.dial(identity.enode))).rejects.toMatchObject({
        code: expect.stringMatching(/^dialer\/(no-addresses|denied)$/),
      })
    }
    expect(peersOf(host)).toEqual(idsOf([good]))
    expect(tried).toEqual(['10.0.0.2'])
  })

  test('is banned, by its address or itself, and one is made when the ban has ended', async () => {
    const [one, other] = [await start('10.66.0.1', echo), await start('10.0.0.3', echo)]
    const host = await startHost(echo)
    host.connectionManager.ban('10.66.0.0/16')
    host.connectionManager.ban(other.peerId, { durationMs: 60_000 })
    host.capabilities.add({ ...echo, name: 'other', sources: [repeating(nodesOf([one, other]))] })
    await clock.advance(59_000)
    expect(tried).toEqual([])
    await clock.advance(2000)
    expect(tried).toEqual(['10.0.0.3'])
    expect(host.dialer.status().refused.banned).toBeGreaterThan(10)
  })
})
