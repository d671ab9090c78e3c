import { stackOf } from '@kumiko/identity'
import type { DialToOptions, Stack } from '@kumiko/interface'
import { KumikoError } from '@kumiko/interface'
import type { Connection, PeerId, PendingDialStatus } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { ConnectOptions } from './connect.ts'
import { Progress } from './progress.ts'

/** Whom a dial is to reach, and how. */
export interface DialGoal {
  /** Undefined where only addresses are known. */
  readonly peerId?: PeerId
  /** Empty: those that are known of the peer. */
  readonly addresses: readonly Multiaddr[]
  /** Undefined: any. */
  readonly stack?: Stack
}

/** How a dial is made. */
export interface DialManner extends Pick<ConnectOptions, 'initiator'> {
  /** Someone asked for it: addresses in back-off are tried, last. */
  readonly isAsked: boolean
  /** Back-off does not count. */
  readonly isForced: boolean
  /** The peer may be searched for where no address is known: someone asked for it. */
  readonly maySearch: boolean
  /** Its record may be asked for where its addresses do not serve. */
  readonly mayResolve: boolean
}

/** One dial, and those who wait for it. It is given up when the last of them has left. */
export class SharedDial {
  readonly id: string
  readonly goal: DialGoal
  readonly manner: DialManner
  readonly progress: Progress = new Progress()
  status: PendingDialStatus = 'queued'
  /** Those that it tries, once they are known; until then those that it was given. */
  addresses: readonly Multiaddr[]
  readonly #controller = new AbortController()
  readonly #result = Promise.withResolvers<Connection>()
  #callers = 0

  constructor(id: string, goal: DialGoal, manner: DialManner) {
    this.id = id
    this.goal = goal
    this.manner = manner
    this.addresses = goal.addresses
    this.#result.promise.catch(() => {})
  }

  /** Aborts when nobody waits any longer. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /**
   * Tells whether its connection would be what another dial is to reach.
   *
   * @returns `same` where it tries all that the other would, so that its failure is the other's; `narrower` where the other might succeed
   * all the same: one that nobody asked for neither searches for the peer nor tries what is in back-off.
   */
  serves({ peerId, addresses, stack }: DialGoal): 'same' | 'narrower' | undefined {
    const own = this.goal
    const isTaken = this.signal.aborted || (stack !== undefined && stack !== own.stack)
    const texts = new Set(own.addresses.map(String))
    const isSamePlace = addresses.length > 0 ? addresses.every((address) => texts.has(String(address))) : texts.size === 0
    if (isTaken || (peerId === undefined ? own.peerId !== undefined || !isSamePlace : own.peerId?.equals(peerId) !== true)) return undefined
    const triesAll = this.manner.isAsked || addresses.length > 0
    return isSamePlace && stack === own.stack && triesAll ? 'same' : 'narrower'
  }

  /** Waits for the connection. Who leaves early leaves the others waiting. @throws the signal's reason, or why the dial failed. */
  async wait({ signal, onProgress }: Pick<DialToOptions, 'signal' | 'onProgress'> = {}): Promise<Connection> {
    signal?.throwIfAborted()
    this.progress.add(onProgress)
    const { promise: left, reject } = Promise.withResolvers<never>()
    const leave = (): void => reject(signal?.reason)
    signal?.addEventListener('abort', leave)
    this.#callers += 1
    try {
      return await Promise.race([this.#result.promise, left])
    } finally {
      signal?.removeEventListener('abort', leave)
      this.progress.remove(onProgress)
      this.#callers -= 1
      if (this.#callers === 0 && !this.#isOver) this.abort(new KumikoError('dialer/stopped', 'nobody waits for this dial any longer'))
    }
  }

  succeed(connection: Connection): void {
    if (!this.#isOver) this.status = 'success'
    this.#result.resolve(connection)
  }

  fail(error: unknown): void {
    if (!this.#isOver) this.status = 'error'
    this.#result.reject(error)
  }

  /** Gives it up, whoever waits. */
  abort(reason: unknown): void {
    this.#controller.abort(reason)
    this.fail(reason)
  }

  get #isOver(): boolean {
    return this.status === 'success' || this.status === 'error'
  }
}

/**
 * The stack to dial a peer with: that of its addresses; of a peer with both, RLPx where we have capabilities, since over libp2p it could serve
 * none of them. Undefined: any.
 */
export function stackFor(addresses: readonly Multiaddr[], hasCapabilities: boolean): Stack | undefined {
  const stacks = new Set(addresses.map(stackOf))
  if (stacks.size > 1) return hasCapabilities ? 'rlpx' : undefined
  return stacks.values().next().value
}
