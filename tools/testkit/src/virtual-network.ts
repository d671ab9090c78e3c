import type { Clock, Millis } from '@kumiko/interface'
import { type Seeded, seeded } from './random.ts'
import { type Link, type VirtualConnection, type VirtualStream, virtualConnection } from './virtual-stream.ts'

/** A host and a port on a virtual network. */
export interface VirtualEndpoint {
  /** Any name; hosts exist as soon as they are named. */
  readonly host: string
  /** 0: any that is free. */
  readonly port: number
}

/** What a virtual network is like. */
export interface VirtualNetworkOptions {
  readonly clock: Clock
  /** Default: {@link seeded} with the test seed. */
  readonly seeded?: Seeded
  /** One way. Default 10. */
  readonly latencyMs?: Millis
  /** At most this much is added to the latency, uniformly. Default 0. */
  readonly jitterMs?: Millis
  /** 0–1: how many datagrams are lost, and how many writes to a stream have to be sent again, 200 ms later. Default 0. */
  readonly loss?: number
  /** How much may be under way on a stream until `write` tells the writer to wait. Default 64 KiB. */
  readonly highWaterMarkBytes?: number
}

/** Something that holds a port. */
export interface VirtualPort {
  readonly local: VirtualEndpoint
  /** Gives the port back. Connections stay. Idempotent. */
  close(): void
}

/** A bound socket for datagrams. */
export interface VirtualDatagramSocket extends VirtualPort {
  /** Sends one datagram; the bytes are copied. Whether it arrives is never told. */
  send(bytes: Uint8Array, to: VirtualEndpoint): void
}

/** One host's sockets, in the shape in which drivers take a network of streams. */
export interface VirtualHost {
  /** As {@link VirtualNetwork.connect}. */
  dial(host: string, port: number, signal?: AbortSignal): Promise<VirtualStream>
  /** As {@link VirtualNetwork.listen}, at this host whatever address is given. */
  listen(address: string, port: number, onStream: (stream: VirtualStream) => void): Promise<VirtualListener>
}

/** A listener of a {@link VirtualHost}. */
export interface VirtualListener extends VirtualEndpoint {
  /** Takes no more connections; those that are open stay. */
  close(): Promise<void>
}

/** An in-memory network. The same seed and calls, the same run. */
export interface VirtualNetwork {
  /** @throws Error `EADDRINUSE`. */
  listen(endpoint: VirtualEndpoint, onConnection: (stream: VirtualStream) => void): VirtualPort
  /**
   * Connects from a host. Waits while the two are partitioned.
   *
   * @throws Error `ECONNREFUSED` where nobody listens, or the signal's reason.
   */
  connect(fromHost: string, to: VirtualEndpoint, options?: { readonly signal?: AbortSignal }): Promise<VirtualStream>
  host(name: string): VirtualHost
  /** @throws Error `EADDRINUSE`. */
  bind(endpoint: VirtualEndpoint, onDatagram: (bytes: Uint8Array, from: VirtualEndpoint) => void): VirtualDatagramSocket
  /** Lets nothing pass between the hosts of one list and those of the other: datagrams are lost, streams stall. Adds to what is so already. */
  partition(a: readonly string[], b: readonly string[]): void
  /** Ends all partitions. */
  heal(): void
  /** Cuts the connections of a host, or all. */
  cut(host?: string): void
  /** Connections that are open at one end at least. */
  readonly connections: number
}

/** How long it takes TCP to send again. */
const RETRANSMIT_MS = 200

/** The first port given out for port 0. */
const EPHEMERAL_PORT = 49_152

/** Makes a network with no hosts. */
export function virtualNetwork(options: VirtualNetworkOptions): VirtualNetwork {
  const { clock, seeded: seed = seeded(), latencyMs = 10, jitterMs = 0, loss = 0, highWaterMarkBytes = 65_536 } = options
  const listeners = new Map<string, (stream: VirtualStream) => void>()
  const sockets = new Map<string, (bytes: Uint8Array, from: VirtualEndpoint) => void>()
  const connections = new Set<VirtualConnection>()
  const partitions: (readonly [ReadonlySet<string>, ReadonlySet<string>])[] = []
  /** Attempts to connect that wait for a partition to end. */
  const stalled = new Set<() => void>()
  let lastPort = EPHEMERAL_PORT - 1

  const travelMs = (): Millis => latencyMs + seed.random() * jitterMs
  const isLost = (): boolean => loss > 0 && seed.random() < loss
  const isBlocked = (from: string, to: string): boolean =>
    partitions.some(([a, b]) => (a.has(from) && b.has(to)) || (b.has(from) && a.has(to)))

  /** Calls back when something sent now arrives at the other host. */
  const arrive = (from: string, to: string, callback: () => void): void => {
    clock.at(clock.now() + travelMs(), () => {
      if (isBlocked(from, to)) stalled.add(() => arrive(from, to, callback))
      else callback()
    })
  }

  const open = (a: VirtualEndpoint, b: VirtualEndpoint): VirtualConnection => {
    const link: Link = {
      clock,
      seeded: seed,
      highWaterMarkBytes,
      delayMs: () => travelMs() + (isLost() ? RETRANSMIT_MS : 0),
      isBlocked,
    }
    const connection = virtualConnection(link, a, b, () => connections.delete(connection))
    connections.add(connection)
    return connection
  }

  const claim = <T>(ports: Map<string, T>, { host, port }: VirtualEndpoint, value: T): VirtualPort => {
    const local = { host, port: port === 0 ? ++lastPort : port }
    const key = keyOf(local)
    if (ports.has(key)) throw failure('EADDRINUSE', local)
    ports.set(key, value)
    return {
      local,
      close() {
        if (ports.get(key) === value) ports.delete(key)
      },
    }
  }

  const network: VirtualNetwork = {
    listen: (endpoint, onConnection) => claim(listeners, endpoint, onConnection),

    host: (name) => ({
      dial: (host, port, signal) => network.connect(name, { host, port }, signal === undefined ? {} : { signal }),
      async listen(_, port, onStream) {
        const held = network.listen({ host: name, port }, onStream)
        return { ...held.local, close: async () => held.close() }
      },
    }),

    async connect(fromHost, to, { signal } = {}) {
      signal?.throwIfAborted()
      const { promise, resolve, reject } = Promise.withResolvers<VirtualStream>()
      const abort = (): void => reject(signal?.reason)
      signal?.addEventListener('abort', abort, { once: true })
      arrive(fromHost, to.host, () => {
        if (signal?.aborted) return
        const onConnection = listeners.get(keyOf(to))
        if (onConnection === undefined) return arrive(to.host, fromHost, () => reject(failure('ECONNREFUSED', to)))
        const { near, far } = open({ host: fromHost, port: ++lastPort }, to)
        arrive(to.host, fromHost, () => (signal?.aborted ? near.destroy() : resolve(near)))
        onConnection(far)
      })
      try {
        return await promise
      } finally {
        signal?.removeEventListener('abort', abort)
      }
    },

    bind(endpoint, onDatagram) {
      const held = claim(sockets, endpoint, onDatagram)
      const send = (bytes: Uint8Array, to: VirtualEndpoint): void => {
        if (sockets.get(keyOf(held.local)) !== onDatagram || isLost() || isBlocked(held.local.host, to.host)) return
        const copy = bytes.slice()
        clock.at(clock.now() + travelMs(), () => sockets.get(keyOf(to))?.(copy, held.local))
      }
      return { ...held, send }
    },

    partition(a, b) {
      partitions.push([new Set(a), new Set(b)])
    },

    heal() {
      partitions.length = 0
      const waiting = [...stalled]
      stalled.clear()
      for (const retry of waiting) retry()
      for (const { near, far } of connections) {
        near.wake()
        far.wake()
      }
    },

    cut(host) {
      for (const { near, far } of [...connections]) {
        if (host === undefined || near.remote.host === host || far.remote.host === host) near.cut()
      }
    },

    get connections() {
      return connections.size
    },
  }
  return network
}

function keyOf({ host, port }: VirtualEndpoint): string {
  return `${host}:${port}`
}

function failure(code: string, endpoint: VirtualEndpoint): Error {
  return Object.assign(new Error(`${code} ${keyOf(endpoint)}`), { code })
}
