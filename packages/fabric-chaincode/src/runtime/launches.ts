import type { Cancel, Clock, Millis } from '@kumiko/interface'
import type { ChaincodeMetrics } from './chaincode-metrics.ts'
import type { ChaincodeConnector, ChaincodeStreams } from './connector.ts'
import type { StreamDriver } from './stream-driver.ts'

/** What launching needs. */
export interface LaunchOptions {
  readonly connectors: readonly ChaincodeConnector[]
  readonly streams: ChaincodeStreams
  readonly clock: Clock
  /** How long a chaincode may take until it has registered. */
  readonly startTimeoutMs: number
  readonly metrics: ChaincodeMetrics
}

interface Launch {
  readonly registered: PromiseWithResolvers<StreamDriver>
  readonly controller: AbortController
  readonly stopTimer: Cancel
  readonly beganAt: Millis
}

/**
 * Chaincodes that are being launched, and those that were and have not ended: as many as there are packages that transactions are for.
 * @see Fabric `core/chaincode/runtime_launcher.go`
 */
export class Launches {
  readonly #options: LaunchOptions
  readonly #launches = new Map<string, Launch>()
  readonly #registering = new Set<string>()

  constructor(options: LaunchOptions) {
    this.#options = options
  }

  /** Whether the chaincode was launched, and has not registered yet. */
  isAwaited(packageId: string): boolean {
    return this.#registering.has(packageId)
  }

  /** Launches a chaincode; one that is being launched is waited for. @throws Error with Fabric's words. */
  async launch(packageId: string): Promise<StreamDriver> {
    const launch = this.#registering.has(packageId) ? this.#launches.get(packageId) : undefined
    return await (launch ?? this.#begin(packageId)).registered.promise
  }

  /** A chaincode has registered. */
  registered(packageId: string, driver: StreamDriver): void {
    const launch = this.#launches.get(packageId)
    if (launch === undefined) return
    const { clock, metrics } = this.#options
    this.#registering.delete(packageId)
    launch.stopTimer()
    launch.registered.resolve(driver)
    metrics.launched(packageId, clock.now() - launch.beganAt)
  }

  /** Stops what runs a chaincode: its stream is lost. */
  end(packageId: string): void {
    this.#fail(packageId, this.#launches.get(packageId), new Error('chaincode registration failed: the stream has ended'))
  }

  endAll(): void {
    for (const packageId of [...this.#launches.keys()]) this.end(packageId)
  }

  #begin(packageId: string): Launch {
    this.end(packageId)
    const { clock, startTimeoutMs, metrics } = this.#options
    const late = new Error(`timeout expired while starting chaincode ${packageId} for transaction`)
    const launch: Launch = {
      registered: Promise.withResolvers(),
      controller: new AbortController(),
      stopTimer: clock.at(clock.now() + startTimeoutMs, () => {
        metrics.launchTimedOut(packageId)
        this.#fail(packageId, launch, late)
      }),
      beganAt: clock.now(),
    }
    launch.registered.promise.catch(() => {})
    this.#launches.set(packageId, launch)
    this.#registering.add(packageId)
    const over = new Error(`chaincode registration failed: connection to ${packageId} terminated`)
    this.#run(packageId, launch.controller.signal).then(
      () => this.#fail(packageId, launch, over),
      (error: unknown) => this.#fail(packageId, launch, error),
    )
    return launch
  }

  async #run(packageId: string, signal: AbortSignal): Promise<void> {
    for (const connector of this.#options.connectors) {
      if (await connector.runs(packageId)) return await connector.launch(packageId, this.#options.streams, signal)
    }
    throw new Error(`chaincode ${packageId} is not connected, and this peer has no way to start it`)
  }

  #fail(packageId: string, launch: Launch | undefined, error: unknown): void {
    if (launch === undefined) return
    launch.stopTimer()
    launch.registered.reject(error)
    launch.controller.abort(error)
    if (this.#launches.get(packageId) !== launch) return
    this.#launches.delete(packageId)
    if (this.#registering.delete(packageId)) this.#options.metrics.launchFailed(packageId)
  }
}
