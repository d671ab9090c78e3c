import type { Clock, DialToOptions, Millis } from '@kumiko/interface'
import { KumikoError } from '@kumiko/interface'
import type { Connection, PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { type AbortCause, DialRace, RACE_ADDRESSES_MAX, type RaceEffect, type RaceOptions } from './race.ts'
import type { ScheduledAddress } from './rank.ts'

/** What a connector is told besides the address: also how the one who asked for the dial wants it. */
export interface ConnectOptions extends Pick<DialToOptions, 'initiator' | 'onProgress'> {
  /** Aborts when nobody wants the connection any longer; one that is made all the same is aborted. */
  readonly signal: AbortSignal
  /** Who must answer; undefined where that is not known. */
  readonly peerId?: PeerId
}

/** Opens one connection: socket, encryption and upgrade. */
export type Connect = (address: Multiaddr, options: ConnectOptions) => Promise<Connection>

/** A race that is being run. */
export interface RunningRace {
  /** The winner's. @throws KumikoError `dialer/failed` or `dialer/timeout`, or the signal's reason. */
  readonly connection: Promise<Connection>
  /** Resolves when every attempt has ended, the losers' too. */
  readonly settled: Promise<void>
}

/** What a race is run with. */
export interface RunRaceOptions extends RaceOptions {
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Addresses that become known meanwhile. Must not fail; must come to an end once the race is over. */
  readonly later?: Promise<readonly RaceAddress[]> | undefined
}

/** An address and its turn. */
export type RaceAddress = Pick<ScheduledAddress, 'multiaddr' | 'delayMs'>

/**
 * Runs the race between the addresses of one peer.
 *
 * @param addresses - Best first, with rising delays; at least one, {@link RACE_ADDRESSES_MAX} at most are tried.
 * @param connect - Tries one of them.
 */
export function raceAddresses(
  addresses: readonly RaceAddress[],
  connect: (address: Multiaddr, signal: AbortSignal) => Promise<Connection>,
  options: RunRaceOptions,
): RunningRace {
  const { clock, signal, later } = options
  const all = addresses.slice(0, RACE_ADDRESSES_MAX)
  const race = new DialRace(all.map(delayOf), options, clock.now(), later !== undefined)
  const attempts: Attempt[] = []
  const { promise, resolve, reject } = Promise.withResolvers<Connection>()
  let disarm = (): void => {}

  const begin = (index: number): void => {
    const address = all[index]?.multiaddr
    if (address === undefined) return
    const attempt = new Attempt(address)
    attempts[index] = attempt
    attempt.ended = attempt.run(connect).then((isConnected) => {
      if (attempt.controller.signal.aborted) attempt.discard()
      else perform(isConnected ? race.connected(index) : race.failed(index, clock.now()))
    })
  }
  const finish = (effect: RaceEffect & { do: 'win' | 'lose' }): void => {
    signal.removeEventListener('abort', stop)
    const connection = effect.do === 'win' ? attempts[effect.index]?.connection : undefined
    if (connection !== undefined) resolve(connection)
    else reject(signal.aborted ? signal.reason : raceError(effect.do === 'lose' && effect.why === 'timeout', attempts))
  }
  const performOne = (effect: RaceEffect): void => {
    if (effect.do === 'connect') begin(effect.index)
    else if (effect.do === 'abort') attempts[effect.index]?.abort(effect.why)
    else finish(effect)
  }
  const perform = (effects: readonly RaceEffect[]): void => {
    for (const effect of effects) performOne(effect)
    disarm()
    disarm = clock.at(race.deadline, () => perform(race.expire(clock.now())))
  }
  const stop = (): void => perform(race.stop())

  signal.addEventListener('abort', stop)
  perform(signal.aborted ? race.stop() : race.expire(clock.now()))
  void later?.then((more) => {
    all.push(...more)
    perform(race.join(more.map(delayOf), clock.now()))
  })
  const settled = promise.then(
    () => allEnded(attempts),
    () => allEnded(attempts),
  )
  return { connection: promise, settled }
}

function delayOf({ delayMs }: RaceAddress): Millis {
  return delayMs
}

/** One address being tried. */
class Attempt {
  readonly address: Multiaddr
  readonly controller: AbortController = new AbortController()
  ended: Promise<void> = Promise.resolve()
  connection: Connection | undefined
  error: unknown

  constructor(address: Multiaddr) {
    this.address = address
  }

  /** Tells whether it connected. Never throws. */
  async run(connect: (address: Multiaddr, signal: AbortSignal) => Promise<Connection>): Promise<boolean> {
    try {
      this.connection = await connect(this.address, this.controller.signal)
      return true
    } catch (error) {
      this.error ??= error
      return false
    }
  }

  abort(why: AbortCause): void {
    this.error = new KumikoError(`dialer/${why}`, ABORTED[why], { context: { address: this.address.toString() } })
    this.controller.abort(this.error)
  }

  /** A connection came after all, but nobody waits for it. */
  discard(): void {
    this.connection?.abort(new KumikoError('dialer/lost', ABORTED.lost))
  }
}

const ABORTED: Readonly<Record<AbortCause, string>> = {
  lost: 'another address was faster',
  'address-timeout': 'the address did not answer in time',
  timeout: 'the dial took too long',
  stopped: 'the dial was given up',
}

async function allEnded(attempts: readonly Attempt[]): Promise<void> {
  await Promise.allSettled(attempts.map(({ ended }) => ended))
}

function raceError(isTimeout: boolean, attempts: readonly Attempt[]): KumikoError {
  const errors = attempts.map(({ address, error }) => addressError(address, error))
  const reasons = errors.map(({ message }) => message).join('; ')
  const [code, what] = isTimeout ? ['dialer/timeout', 'the dial took too long'] : ['dialer/failed', 'no address answered']
  return new KumikoError(code, `${what}: ${reasons}`, { cause: new AggregateError(errors, reasons) })
}

/** What went wrong with one address. */
function addressError(address: Multiaddr, cause: unknown): KumikoError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new KumikoError('dialer/address-failed', `${address.toString()}: ${why}`, { context: { address: address.toString() }, cause })
}
