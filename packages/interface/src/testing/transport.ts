import assert from 'node:assert/strict'
import { type Connection, isTransport, type Listener, type MultiaddrConnection, type Transport, type Upgrader } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { eventually, type Subject, type SubjectFactory, type TestRunner, testWith, turns } from './runner.ts'

/** Two started transports of one kind, of two nodes. */
export interface TransportSubject extends Subject {
  readonly dialer: Transport
  readonly listener: Transport
  /** Where the listener is to listen: port 0 where the transport has ports. */
  readonly listenAddr: Multiaddr
  /** What to dial to reach the listener, of an address that it tells. Default: that address. */
  toDial?(listening: Multiaddr): Multiaddr
  /** A good address where nobody listens; a dial is refused. */
  readonly refusedAddr: Multiaddr
  /** Addresses that are not for this transport. */
  readonly foreignAddrs: readonly Multiaddr[]
}

/** What holds for every libp2p `Transport`, those that bring their own encryption included. */
export function transportContract(runner: TestRunner, factory: SubjectFactory<TransportSubject>): void {
  const test = testWith(runner, factory)
  const testPair = (name: string, run: (pair: Pair) => Promise<void>): void =>
    test(name, async (subject) => {
      const pair = new Pair(subject)
      try {
        await run(pair)
      } finally {
        await pair.close()
      }
    })

  runner.describe('the contract of a Transport', () => {
    test('is marked as one, and has a name', ({ dialer }) => {
      assert.equal(isTransport(dialer), true)
      assert.notEqual(dialer[Symbol.toStringTag], '')
    })

    testPair('keeps its own addresses and no others', async (pair) => {
      const { dialer, listener, listenAddr, foreignAddrs } = pair.subject
      const own = await pair.listen()
      assert.ok(foreignAddrs.length > 0)
      assert.deepEqual(dialer.dialFilter([...foreignAddrs, own]).map(String), [own.toString()])
      assert.deepEqual(listener.listenFilter([...foreignAddrs, listenAddr]).map(String), [listenAddr.toString()])
    })

    testPair('listens: tells so, and where', async (pair) => {
      await pair.listen()
      assert.equal(pair.heard.filter((type) => type === 'listening').length >= 1, true)
      for (const address of pair.addresses) assert.doesNotMatch(address.toString(), /\/(tcp|udp)\/0(\/|$)/)
    })

    testPair('refuses to listen where another does', async (pair) => {
      await pair.listen()
      const [taken] = pair.addresses
      assert.ok(taken)
      const { listener } = pair.subject
      const other = listener.createListener({ upgrader: pair.inbound })
      await assert.rejects(async () => other.listen(listener.listenFilter([taken])[0] ?? taken))
      await other.close()
    })

    testPair('connects: each end hands one connection to its upgrader, and closing one closes the other', async (pair) => {
      const connection = await pair.dial()
      await eventually('an inbound connection', () => pair.inbound.upgraded.length === 1)
      assert.equal(pair.outbound.upgraded.length, 1)
      assert.equal(pair.outbound.upgraded[0]?.direction, 'outbound')
      assert.equal(pair.inbound.upgraded[0]?.direction, 'inbound')
      await connection.close()
      await pair.allClosed()
    })

    testPair('keeps several connections apart', async (pair) => {
      const [first] = [await pair.dial(), await pair.dial()]
      await eventually('two inbound connections', () => pair.inbound.upgraded.length === 2)
      await first.close()
      await eventually('one to close', () => pair.inbound.open === 1 && pair.outbound.open === 1)
    })

    testPair('rejects a dial that is refused and leaves nothing open', async (pair) => {
      const before = openSockets()
      await assert.rejects(pair.dial(pair.subject.refusedAddr))
      assert.equal(pair.outbound.upgraded.length, 0)
      await eventually('sockets to close', () => openSockets() <= before)
    })

    testPair('does not begin a dial whose signal is aborted', async (pair) => {
      const address = await pair.listen()
      await assert.rejects(pair.dial(address, AbortSignal.abort(new Error('before'))))
      await turns()
      assert.deepEqual([pair.outbound.upgraded.length, pair.inbound.open], [0, 0])
    })

    testPair('gives up a dial with the signal and leaves nothing open', async (pair) => {
      const address = await pair.listen()
      const before = openSockets()
      const controller = new AbortController()
      const rejected = assert.rejects(pair.dial(address, controller.signal))
      controller.abort(new Error('meanwhile'))
      await rejected
      await pair.allClosed()
      await eventually('sockets to close', () => openSockets() <= before)
    })

    testPair('rejects a dial whose upgrade fails and leaves nothing open', async (pair) => {
      await pair.listen()
      pair.outbound.failure = new Error('not upgraded')
      await assert.rejects(pair.dial())
      await pair.allClosed()
    })

    testPair('stops listening: tells so once, holds no address, takes no dial, and may be closed again', async (pair) => {
      const address = await pair.listen()
      await pair.listening?.close()
      await pair.listening?.close()
      await eventually('a `close` event', () => pair.heard.includes('close'))
      assert.equal(pair.heard.filter((type) => type === 'close').length, 1)
      assert.deepEqual(pair.addresses, [])
      await assert.rejects(pair.dial(address))
    })
  })
}

/** Two ends, each with an upgrader that writes down what it is given. */
class Pair {
  readonly subject: TransportSubject
  readonly inbound: RecordingUpgrader = new RecordingUpgrader()
  readonly outbound: RecordingUpgrader = new RecordingUpgrader()
  /** Types of the listener's events. */
  readonly heard: string[] = []
  listening: Listener | undefined

  constructor(subject: TransportSubject) {
    this.subject = subject
  }

  get addresses(): Multiaddr[] {
    return this.listening?.getAddrs() ?? []
  }

  /** Listens, once. @returns What to dial. */
  async listen(): Promise<Multiaddr> {
    const { listener, listenAddr, toDial } = this.subject
    if (this.listening === undefined) {
      this.listening = listener.createListener({ upgrader: this.inbound })
      for (const type of ['listening', 'close'] as const) this.listening.addEventListener(type, () => this.heard.push(type))
      await this.listening.listen(listenAddr)
    }
    const [address] = this.addresses
    if (address === undefined) throw new Error('the listener tells no address')
    return toDial?.(address) ?? address
  }

  async dial(address?: Multiaddr, signal: AbortSignal = AbortSignal.timeout(60_000)): Promise<Connection> {
    return this.subject.dialer.dial(address ?? (await this.listen()), { upgrader: this.outbound, signal })
  }

  /** Waits until no connection is open, at either end. */
  async allClosed(): Promise<void> {
    await eventually('all connections to close', () => this.inbound.open === 0 && this.outbound.open === 0)
  }

  async close(): Promise<void> {
    for (const connection of [...this.outbound.upgraded, ...this.inbound.upgraded]) connection.abort(new Error('the test is over'))
    await this.listening?.close()
  }
}

/** Upgrades nothing: a connection is what the transport gave. */
class RecordingUpgrader implements Upgrader {
  readonly upgraded: MultiaddrConnection[] = []
  /** What upgrades fail with. */
  failure: Error | undefined

  /** Connections that are not closed. */
  get open(): number {
    return this.upgraded.filter(({ status }) => status === 'open' || status === 'closing').length
  }

  async upgradeOutbound(maConn: MultiaddrConnection): Promise<Connection> {
    this.upgraded.push(maConn)
    if (this.failure !== undefined) throw this.failure
    // Only what a transport may touch.
    return {
      remoteAddr: maConn.remoteAddr,
      direction: 'outbound',
      close: (options) => maConn.close(options),
      abort: (error) => maConn.abort(error),
    } satisfies Partial<Connection> as Partial<Connection> as Connection
  }

  async upgradeInbound(maConn: MultiaddrConnection): Promise<void> {
    this.upgraded.push(maConn)
  }

  createInboundAbortSignal(signal: AbortSignal): ReturnType<Upgrader['createInboundAbortSignal']> {
    return Object.assign(AbortSignal.any([signal]), { clear: () => {} })
  }

  getStreamMuxers(): ReturnType<Upgrader['getStreamMuxers']> {
    return new Map()
  }

  getConnectionEncrypters(): ReturnType<Upgrader['getConnectionEncrypters']> {
    return new Map()
  }
}

/** Sockets of this process. */
function openSockets(): number {
  return process.getActiveResourcesInfo().filter((type) => /^(TCPSocket|PipeWrap|TCPConnect|TCPWRAP)/i.test(type)).length
}
