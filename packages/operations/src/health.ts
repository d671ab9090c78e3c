import { type Clock, KumikoError } from '@kumiko/interface'

/** Looks at a part of the node: throws, or rejects, with the reason where it is not well. @param signal - Aborted when nobody waits any more. */
export type HealthCheck = (signal: AbortSignal) => void | Promise<void>

/** What is wrong with a part. */
export interface FailedCheck {
  readonly component: string
  readonly reason: string
}

/** As Fabric's `/healthz` tells it. */
export interface HealthStatus {
  readonly status: 'OK' | 'Service Unavailable'
  /** RFC 3339. */
  readonly time: string
  readonly failed_checks?: readonly FailedCheck[]
}

/** So many parts may be checked. */
export const CHECKS_MAX = 1000

/** Checks of the parts of a node, by their names. @see Fabric `fabric-lib-go/healthz/checker.go` */
export class HealthChecks {
  readonly #checks = new Map<string, HealthCheck>()

  /**
   * Adds a check.
   * @returns Takes it out again.
   * @throws KumikoError `operations/registered-otherwise`, `operations/too-many-checks`.
   */
  add(component: string, check: HealthCheck): () => void {
    if (this.#checks.has(component)) throw new KumikoError('operations/registered-otherwise', `'${component}' is already registered`)
    if (this.#checks.size >= CHECKS_MAX) throw new KumikoError('operations/too-many-checks', `${CHECKS_MAX} parts are checked already`)
    this.#checks.set(component, check)
    return () => {
      if (this.#checks.get(component) === check) this.#checks.delete(component)
    }
  }

  /** Runs all checks at once. @param signal - Ends it: by its reason thrown. */
  async run(clock: Clock, signal: AbortSignal): Promise<HealthStatus> {
    const failed = (await Promise.all([...this.#checks].map(async ([component, check]) => await runCheck(component, check, signal)))).flat()
    signal.throwIfAborted()
    const time = new Date(clock.now()).toISOString()
    return failed.length === 0 ? { status: 'OK', time } : { status: 'Service Unavailable', time, failed_checks: failed }
  }
}

async function runCheck(component: string, check: HealthCheck, signal: AbortSignal): Promise<readonly FailedCheck[]> {
  try {
    await check(signal)
    return []
  } catch (error) {
    return [{ component, reason: error instanceof Error ? error.message : String(error) }]
  }
}
