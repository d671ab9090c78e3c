import type { ConnectionFilter, FilterList, FilterPoint, NodeRecord, NodeSource } from '@kumiko/interface'
import {
  connectionFilterContract,
  filterListContract,
  type NodeSourceSubject,
  nodeSourceContract,
  type PeerDiscoverySubject,
  peerDiscoveryContract,
  type TestRunner,
  type TransportSubject,
  transportContract,
} from '@kumiko/interface/testing'
import { type PeerDiscovery, type PeerDiscoveryEvents, type PeerInfo, peerDiscoverySymbol, type Startable } from '@libp2p/interface'
import { defaultLogger } from '@libp2p/logger'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { TypedEventEmitter } from 'main-event'
import { describe, expect, it } from 'vitest'

/** Runs a suite without reporting it. @returns The names of the tests that failed. */
async function failures(suite: (runner: TestRunner) => void): Promise<string[]> {
  const tests: { readonly name: string; run(): Promise<void> }[] = []
  suite({ describe: (_, define) => define(), it: (name, run) => tests.push({ name, run }) })
  const failed: string[] = []
  for (const { name, run } of tests) await run().catch(() => failed.push(name))
  return failed
}

describe('a NodeSource that does right', () => nodeSourceContract({ describe, it }, () => nodeSource()))

describe('a NodeSource that does wrong is found out, where it', () => {
  it('begins before it is asked', async () => {
    expect(await failures((runner) => nodeSourceContract(runner, () => nodeSource({ isEager: true })))).toContain(
      'looks for nothing until a node is asked for',
    )
  })

  it('keeps what it holds', async () => {
    const failed = await failures((runner) => nodeSourceContract(runner, () => nodeSource({ isLeaky: true })))
    expect(failed).toEqual([
      'frees what it holds on `return`, and has ended then',
      'ends with the signal and frees what it holds',
      'begins nothing under a signal that is aborted already',
    ])
  })

  it('does not hear the signal', async () => {
    const failed = await failures((runner) => nodeSourceContract(runner, () => nodeSource({ isDeaf: true })))
    expect(failed).toEqual(['ends with the signal and frees what it holds', 'begins nothing under a signal that is aborted already'])
  })
})

describe('a PeerDiscovery that does right', () => peerDiscoveryContract({ describe, it }, () => peerDiscovery(new Discovery())))

describe('a PeerDiscovery that does wrong is found out, where it', () => {
  it('tells of peers whether it runs or not', async () => {
    class Chatty extends Discovery {
      override isRunning = true
      override stop(): void {}
    }
    expect(await failures((runner) => peerDiscoveryContract(runner, () => peerDiscovery(new Chatty())))).toEqual([
      'tells nothing before its start',
      'tells nothing after its stop',
      'takes a second start and a second stop for the first',
    ])
  })
})

describe('a ConnectionFilter that does right', () =>
  connectionFilterContract({ describe, it }, () => filterSubject(({ ip }) => (ip === '10.0.0.1' ? 'deny' : undefined))))

describe('a ConnectionFilter that does wrong is found out, where it', () => {
  it('expects an address to be known', async () => {
    const filter: ConnectionFilter = ({ ip }) => {
      if (ip === undefined) throw new Error('no ip')
      return ip === '10.0.0.1' ? 'deny' : undefined
    }
    expect(await failures((runner) => connectionFilterContract(runner, () => filterSubject(filter)))).toEqual([
      'has a verdict, or no opinion, at every stage, however little is known',
    ])
  })
})

describe('a FilterList that does right', () => filterListContract({ describe, it }, () => ({ filters: new Filters() })))

describe('a FilterList that does wrong is found out, where it', () => {
  it('lets a throw through, or shows its own array', async () => {
    class Careless extends Filters {
      override ask(filter: ConnectionFilter, at: FilterPoint) {
        return filter(at)
      }
      override list(): ConnectionFilter[] {
        return this.filters
      }
    }
    expect(await failures((runner) => filterListContract(runner, () => ({ filters: new Careless() })))).toEqual([
      'takes a throw for `deny`',
      'asks every rule, also when one removes itself while it is asked',
      'shows its rules as a copy',
    ])
  })
})

describe('a Transport written by others', () => transportContract({ describe, it }, transport))

describe('a Transport that does wrong is found out, where it', () => {
  it('takes every address for its own', async () => {
    const greedy = (): TransportSubject => {
      const subject = transport()
      subject.dialer.dialFilter = (addresses) => addresses
      return subject
    }
    expect(await failures((runner) => transportContract(runner, greedy))).toEqual(['keeps its own addresses and no others'])
  })
})

interface Wrongs {
  readonly isEager?: boolean
  readonly isLeaky?: boolean
  readonly isDeaf?: boolean
}

function nodeSource({ isEager = false, isLeaky = false, isDeaf = false }: Wrongs = {}): NodeSourceSubject {
  let begun = 0
  let held = 0
  async function* find(signal: AbortSignal | undefined): AsyncGenerator<NodeRecord> {
    held++
    try {
      while (isDeaf || signal?.aborted !== true) {
        begun++
        yield NODE
      }
    } finally {
      if (!isLeaky) held--
    }
  }
  const source: NodeSource = {
    name: 'test',
    nodes({ signal } = {}) {
      if (isEager) begun++
      return find(signal)
    },
  }
  return { source, begun: () => begun, held: () => held }
}

const PEER = { toString: () => '16Uiu2HA' } as NodeRecord['peerId']

const NODE: NodeRecord = {
  nodeId: 'ab'.repeat(32),
  publicKey: new Uint8Array(33),
  peerId: PEER,
  endpoints: [{ host: '10.0.0.1', tcp: 30303 }],
  addresses: [],
  seq: 0n,
  entry: () => undefined,
}

class Discovery extends TypedEventEmitter<PeerDiscoveryEvents> implements PeerDiscovery, Startable {
  isRunning = false
  readonly [peerDiscoverySymbol]: PeerDiscovery = this

  start(): void {
    this.isRunning = true
  }

  stop(): void {
    this.isRunning = false
  }

  find(): void {
    if (this.isRunning) this.safeDispatchEvent<PeerInfo>('peer', { detail: { id: PEER, multiaddrs: [] } })
  }
}

function peerDiscovery(discovery: Discovery): PeerDiscoverySubject {
  return { discovery, provoke: async () => discovery.find() }
}

function filterSubject(filter: ConnectionFilter) {
  const at = (ip: string): FilterPoint => ({
    stage: 'accept',
    direction: 'inbound',
    stack: 'rlpx',
    address: multiaddr(`/ip4/${ip}/tcp/1`),
    ip,
  })
  return {
    filter,
    expected: [
      { at: at('10.0.0.1'), verdict: 'deny' as const },
      { at: at('10.0.0.2'), verdict: undefined },
    ],
  }
}

class Filters implements FilterList {
  defaultVerdict: 'accept' | 'deny' = 'accept'
  filters: ConnectionFilter[] = []

  add(filter: ConnectionFilter): () => void {
    this.filters.push(filter)
    return () => this.remove(filter)
  }

  remove(filter: ConnectionFilter): boolean {
    const at = this.filters.indexOf(filter)
    if (at >= 0) this.filters.splice(at, 1)
    return at >= 0
  }

  list(): ConnectionFilter[] {
    return [...this.filters]
  }

  ask(filter: ConnectionFilter, at: FilterPoint) {
    try {
      return filter(at)
    } catch {
      return 'deny'
    }
  }

  decide(at: FilterPoint): 'accept' | 'deny' {
    for (const filter of this.list()) {
      const verdict = this.ask(filter, at)
      if (verdict !== undefined) return verdict
    }
    return this.defaultVerdict
  }
}

function transport(): TransportSubject {
  const make = () => tcp()({ logger: defaultLogger() })
  return {
    dialer: make(),
    listener: make(),
    listenAddr: multiaddr('/ip4/127.0.0.1/tcp/0'),
    refusedAddr: multiaddr('/ip4/127.0.0.1/tcp/1'),
    foreignAddrs: [multiaddr('/ip4/127.0.0.1/udp/4001/quic-v1'), multiaddr('/ip4/127.0.0.1/tcp/4001/ws')],
  }
}
