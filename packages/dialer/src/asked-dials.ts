import { isRelayed, stackOf } from '@kumiko/identity'
import { type DialToOptions, KumikoError, type Stack } from '@kumiko/interface'
import type { Connection } from '@libp2p/interface'
import { CustomProgressEvent } from 'progress-events'
import type { DialerComponents } from './needs.ts'
import { Reached } from './reached.ts'
import { type DialGoal, SharedDial } from './shared-dial.ts'

/** What the dials that were asked for are made of. */
export interface AskedDialsOptions {
  readonly components: Pick<DialerComponents, 'peerId' | 'connectionManager'>
  /** All that wait or are under way, by id: any of them may be joined. As many as the plan allows. */
  readonly dials: Map<string, SharedDial>
  /** Aborts when no more dials are made. */
  readonly signal: AbortSignal
  /** A dial waits for its slot from now on. @throws where too many do. */
  readonly onRequest: (dial: SharedDial, priority: number) => void
  /** Nobody waits for a dial any longer. Returns false where it is under way. */
  readonly onLeft: (id: string) => boolean
}

/** Higher goes first. As in js-libp2p. */
const PRIORITY = 50

/** The dials that someone asked for: an open connection is reused, a dial that is under way is joined, another one is requested. */
export class AskedDials {
  readonly #options: AskedDialsOptions
  readonly #reached = new Reached()
  #count = 0

  constructor(options: AskedDialsOptions) {
    this.#options = options
  }

  /** @throws KumikoError `dialer/…`, or the reason of a signal. */
  async dial(goal: DialGoal, options: DialToOptions): Promise<Connection> {
    const { force = false, signal, onProgress } = options
    signal?.throwIfAborted()
    if (goal.peerId?.equals(this.#options.components.peerId) === true) throw new KumikoError('dialer/self', 'cannot dial ourselves')
    const open = force ? undefined : this.#open(goal)
    if (open !== undefined) {
      onProgress?.(new CustomProgressEvent('dial-queue:already-connected', open))
      return open
    }
    const connection = await this.#join(goal, options)
    if (goal.peerId !== undefined) return connection
    this.#reached.add(goal.addresses, connection)
    return force ? connection : this.#withoutTwin(connection)
  }

  #open({ peerId, addresses, stack }: DialGoal): Connection | undefined {
    const wantsDirect = addresses.some((address) => !isRelayed(address))
    const all = this.#options.components.connectionManager.getConnections(peerId)
    const open = all.filter((each) => serves(each, stack) && !(wantsDirect && isRelayed(each.remoteAddr)))
    return peerId === undefined ? this.#reached.find(addresses, open) : (open.find(({ direct }) => direct) ?? open[0])
  }

  /** Who asked by a name, and by its IP at the same time, has two connections to one place: the older one stays. */
  #withoutTwin(connection: Connection): Connection {
    const others = this.#options.components.connectionManager.getConnections(connection.remotePeer)
    const place = connection.remoteAddr.toString()
    const twin = others.find((each) => each !== connection && each.status === 'open' && each.remoteAddr.toString() === place)
    if (twin === undefined || connection.status !== 'open') return twin ?? connection
    connection.abort(new KumikoError('dialer/duplicate', 'there is a connection to this address already'))
    return twin
  }

  /** Waits for a dial that is under way, if one may serve, and makes one if it does not. */
  async #join(goal: DialGoal, options: DialToOptions): Promise<Connection> {
    const joined = this.#find(goal, 'same') ?? this.#find(goal, 'narrower')
    if (joined === undefined) return await this.#request(goal, options).wait(options)
    options.onProgress?.(new CustomProgressEvent('dial-queue:already-in-dial-queue'))
    try {
      return await joined.wait(options)
    } catch (error) {
      const isOver = options.signal?.aborted === true || this.#options.signal.aborted
      if (isOver || joined.serves(goal) === 'same' || joined.signal.aborted) throw error
    }
    return await (this.#find(goal, 'same') ?? this.#request(goal, options)).wait(options)
  }

  #find(goal: DialGoal, how: 'same' | 'narrower'): SharedDial | undefined {
    for (const dial of this.#options.dials.values()) if (dial.serves(goal) === how) return dial
    return undefined
  }

  #request(goal: DialGoal, { force = false, priority = PRIORITY, initiator, onProgress }: DialToOptions): SharedDial {
    const { signal, dials, onRequest, onLeft } = this.#options
    signal.throwIfAborted()
    this.#count += 1
    const isPeerOnly = goal.addresses.length === 0
    const manner = { isAsked: true, isForced: force, maySearch: isPeerOnly, mayResolve: isPeerOnly }
    const dial = new SharedDial(`dial-${this.#count}`, goal, { ...manner, ...(initiator === undefined ? {} : { initiator }) })
    dials.set(dial.id, dial)
    dial.signal.addEventListener('abort', () => {
      if (onLeft(dial.id)) dials.delete(dial.id)
    })
    dial.progress.add(onProgress)
    try {
      dial.progress.tell(new CustomProgressEvent('dial-queue:add-to-dial-queue'))
      onRequest(dial, priority)
    } catch (error) {
      dials.delete(dial.id)
      throw error
    }
    return dial
  }
}

/** A relayed connection with limits is not reused, as in js-libp2p: a direct one may be had. */
function serves({ status, limits, remoteAddr }: Connection, stack: Stack | undefined): boolean {
  return status === 'open' && limits === undefined && (stack === undefined || stackOf(remoteAddr) === stack)
}
