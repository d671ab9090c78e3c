import type { Cancel, Clock } from '@kumiko/interface'
import type { Libp2pStatus } from '@libp2p/interface'
import { type Lifecycle, STOP_MS } from './lifecycle.ts'

/** Whether a Host runs, and how it comes to: starts and stops, in the order in which they are asked for. */
export class Run {
  readonly #lifecycle: Lifecycle
  readonly #clock: Clock
  readonly #tell: (event: 'start' | 'stop') => void
  #status: Libp2pStatus = 'stopped'
  /** What was asked for last: done, or under way. */
  #last: Change = UNSTARTED

  /** @param tell - Called once a start or a stop is done. */
  constructor(lifecycle: Lifecycle, clock: Clock, tell: (event: 'start' | 'stop') => void) {
    this.#lifecycle = lifecycle
    this.#clock = clock
    this.#tell = tell
  }

  get status(): Libp2pStatus {
    return this.#status
  }

  /** @throws KumikoError `host/start-failed`. */
  async start(): Promise<void> {
    await this.#change('start', async (before) => {
      if (before !== undefined) await before
      await this.#start()
    })
  }

  /** @throws KumikoError `host/stop-failed`. */
  async stop(): Promise<void> {
    await this.#change('stop', async (before) => {
      if (before !== undefined) await this.#patience(before)
      if (this.#status === 'started') await this.#stop()
    })
  }

  /** One change after the other, in the order in which they were asked for; the same one asked for again is joined. */
  async #change(verb: Change['verb'], make: (before: Promise<void> | undefined) => Promise<void>): Promise<void> {
    const last = this.#last
    if (last.verb === verb) return await last.done
    const { promise: done, resolve, reject } = Promise.withResolvers<void>()
    done.catch(() => {})
    const change: Change = { verb, done, isOver: false }
    this.#last = change
    try {
      await make(last.isOver ? undefined : last.done.catch(() => {}))
      resolve()
    } catch (error) {
      if (this.#last === change) this.#last = UNSTARTED
      reject(error)
      throw error
    } finally {
      change.isOver = true
    }
  }

  async #start(): Promise<void> {
    this.#status = 'starting'
    try {
      await this.#lifecycle.start()
    } catch (error) {
      this.#status = 'stopped'
      throw error
    }
    this.#status = 'started'
    this.#tell('start')
  }

  async #stop(): Promise<void> {
    this.#status = 'stopping'
    try {
      await this.#lifecycle.stop()
    } finally {
      this.#status = 'stopped'
      this.#tell('stop')
    }
  }

  /** Waits for a start, and gives it up where it takes too long: again and again, since it may have waited for a stop itself. */
  async #patience(starting: Promise<void>): Promise<void> {
    let cancel: Cancel = () => {}
    const arm = (): void => {
      cancel = this.#clock.at(this.#clock.now() + STOP_MS, () => {
        this.#lifecycle.abandonStart()
        arm()
      })
    }
    arm()
    await starting
    cancel()
  }
}

/** A start or a stop. */
interface Change {
  readonly verb: 'start' | 'stop'
  readonly done: Promise<void>
  /** The next one need not wait for it: the status changes at once then, as js-libp2p's does. */
  isOver: boolean
}

const UNSTARTED: Change = { verb: 'stop', done: Promise.resolve(), isOver: true }
