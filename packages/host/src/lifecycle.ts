import type { Clock, Millis } from '@kumiko/interface'
import { KumikoError, sleep } from '@kumiko/interface'
import type { Logger, Startable } from '@libp2p/interface'
import { isStartable } from '@libp2p/interface'

/** A part has this long to stop, in each phase; then it is left behind, and the log says so. */
export const STOP_MS: Millis = 5_000

const START_PHASES = ['beforeStart', 'start', 'afterStart'] as const
const STOP_PHASES = ['beforeStop', 'stop', 'afterStop'] as const

type Phase = (typeof START_PHASES)[number] | (typeof STOP_PHASES)[number]

/** Something that may have a life cycle, by a name for the log. */
export interface NamedPart {
  readonly name: string
  readonly part: unknown
}

interface StartablePart {
  readonly name: string
  readonly part: Startable
}

/** What went wrong in one part. */
interface Failure {
  readonly name: string
  readonly phase: Phase
  readonly cause: unknown
}

/**
 * Starts parts in the order given, in js-libp2p's three phases: each phase is through with every part before the next begins. Stops in
 * reverse. Parts that have no `start` and `stop` are passed over; a part given twice is started once.
 */
export class Lifecycle {
  readonly #parts: readonly StartablePart[]
  readonly #clock: Clock
  readonly #log: Logger
  /** Parts with at least one phase behind them. */
  readonly #up = new Set<StartablePart>()
  /** What is under way in a part, be it that nobody waits for it any more. */
  readonly #running = new Map<StartablePart, Promise<unknown>>()
  /** Gives up the start that is under way. */
  #abandon: (reason: KumikoError) => void = () => {}

  constructor(parts: readonly NamedPart[], clock: Clock, log: Logger) {
    const seen = new Set<unknown>()
    this.#parts = parts.flatMap(({ name, part }) => {
      if (!isStartable(part) || seen.has(part)) return []
      seen.add(part)
      return [{ name, part }]
    })
    this.#clock = clock
    this.#log = log
  }

  /**
   * Starts every part, or none: a failure stops those that are up already. After that, and after a stop, it may be called again; a part that
   * is still busy with its last start or stop then has {@link STOP_MS} to end that.
   *
   * @throws KumikoError `host/start-failed`, with what the part threw as cause, and its name and the phase as context.
   */
  async start(): Promise<void> {
    const { promise: abandoned, reject } = Promise.withResolvers<never>()
    abandoned.catch(() => {})
    this.#abandon = reject
    for (const phase of START_PHASES) {
      for (const startable of this.#parts) {
        try {
          await this.#begin(startable, phase, abandoned)
        } catch (cause) {
          await this.#stopAll()
          throw startFailed({ name: startable.name, phase, cause })
        }
        this.#up.add(startable)
      }
    }
  }

  /** A start that is under way fails. Its part goes on, and is stopped should it come up after all. */
  abandonStart(): void {
    this.#abandon(new KumikoError('host/start-abandoned', 'The Host was stopped before it had started'))
  }

  /**
   * Stops every part that is up; none keeps the others from it.
   *
   * @throws KumikoError `host/stop-failed` once all have had their turn, with an AggregateError of what they threw as cause.
   */
  async stop(): Promise<void> {
    const failures = await this.#stopAll()
    if (failures.length > 0) throw stopFailed(failures)
  }

  async #stopAll(): Promise<Failure[]> {
    const parts = this.#parts.filter((part) => this.#up.has(part)).reverse()
    this.#up.clear()
    return await this.#stopThese(parts)
  }

  async #stopThese(parts: readonly StartablePart[]): Promise<Failure[]> {
    const failures: Failure[] = []
    for (const phase of STOP_PHASES) {
      for (const startable of parts) {
        const failure = await this.#stopOne(startable, phase)
        if (failure !== undefined) failures.push(failure)
      }
    }
    return failures
  }

  async #stopOne(startable: StartablePart, phase: (typeof STOP_PHASES)[number]): Promise<Failure | undefined> {
    const { name } = startable
    try {
      await this.#inTime(name, this.#run(startable, phase))
      return undefined
    } catch (cause) {
      this.#log.error('%s failed in %s - %e', name, phase, cause)
      return { name, phase, cause }
    }
  }

  async #begin(startable: StartablePart, phase: Phase, abandoned: Promise<never>): Promise<void> {
    const last = this.#running.get(startable)
    if (last !== undefined) await Promise.race([this.#inTime(startable.name, last), abandoned])
    const running = this.#run(startable, phase)
    try {
      await Promise.race([running, abandoned])
    } catch (error) {
      this.#track(startable, this.#stopLate(startable, running))
      throw error
    }
  }

  /** Never rejects. */
  async #stopLate(startable: StartablePart, starting: Promise<void>): Promise<void> {
    const [outcome] = await Promise.allSettled([starting])
    if (outcome.status === 'fulfilled') await this.#stopThese([startable])
  }

  #run(startable: StartablePart, phase: Phase): Promise<void> {
    const running = run(startable.part, phase)
    this.#track(startable, running)
    return running
  }

  #track(startable: StartablePart, running: Promise<void>): void {
    const all = Promise.allSettled([this.#running.get(startable), running])
    this.#running.set(startable, all)
    void all.then(() => {
      if (this.#running.get(startable) === all) this.#running.delete(startable)
    })
  }

  async #inTime(name: string, work: Promise<unknown>): Promise<void> {
    const done = new AbortController()
    try {
      await Promise.race([work, this.#timeout(name, done.signal)])
    } finally {
      done.abort()
    }
  }

  /** Rejects after {@link STOP_MS}; leaves no timer once `signal` aborts. */
  async #timeout(name: string, signal: AbortSignal): Promise<void> {
    try {
      await sleep(this.#clock, STOP_MS, signal)
    } catch {
      return
    }
    throw new KumikoError('host/stop-timeout', `${name} did not stop within ${STOP_MS} ms`, { context: { part: name } })
  }
}

/** Async, so that a part that throws at once rejects, too. */
async function run(part: Startable, phase: Phase): Promise<void> {
  await part[phase]?.()
}

function startFailed({ name, phase, cause }: Failure): KumikoError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new KumikoError('host/start-failed', `Could not start ${name} (${phase}): ${why}`, { cause, context: { part: name, phase } })
}

function stopFailed(failures: readonly Failure[]): KumikoError {
  const cause = new AggregateError(failures.map((failure) => failure.cause))
  const names = [...new Set(failures.map((failure) => failure.name))]
  return new KumikoError('host/stop-failed', `The Host has stopped, but ${names.join(', ')} failed to stop cleanly`, {
    cause,
    context: { parts: names },
  })
}
