import { type Cancel, type Clock, KumikoError, systemClock } from '@kumiko/interface'
import type { ComponentLogger, Metrics } from '@libp2p/interface'
import { type HealthCheck, HealthChecks } from './health.ts'
import { HttpServer, type OperationsTls } from './http-server.ts'
import { Logging } from './logging.ts'
import { profileRoutes } from './profile-routes.ts'
import { PrometheusMetrics } from './prometheus-metrics.ts'
import type { OperationsRoute } from './route.ts'
import { healthRoute, logSpecRoute, metricsRoute, type VersionInfo, versionRoute } from './routes.ts'

/** What {@link operations} serves, and where. */
export interface OperationsOptions {
  /** `host:port`; port 0 for any. Default `127.0.0.1:9443`, as in Fabric: whoever reaches it may change log levels. */
  readonly listen?: string
  /** Default: without TLS. With it, `/metrics`, `/logspec` and profiles are for clients with a certificate, as in Fabric. */
  readonly tls?: OperationsTls
  /** What `/metrics` shows. Default: the Host's, where they are {@link PrometheusMetrics}; else it is not served. */
  readonly metrics?: PrometheusMetrics
  /** What `/logspec` changes. Default: the Host's, where it is {@link Logging}; else it is not served. */
  readonly logging?: Logging
  /** What `/version` tells. Default: it is not served. */
  readonly version?: VersionInfo
  /** Checks of parts, by their names. {@link Operations.check} adds others. */
  readonly checks?: Readonly<Record<string, HealthCheck>>
  /** Whether V8's profiles can be taken. Default false: taking them slows the process down. */
  readonly profiles?: boolean
  /** Served besides. {@link Operations.add} adds others. */
  readonly routes?: readonly OperationsRoute[]
}

/** What {@link operations} uses of a Host; nothing need be there. */
export interface OperationsComponents {
  readonly metrics?: Metrics | undefined
  readonly logger?: ComponentLogger | undefined
  readonly clock?: Clock | undefined
}

/** So many routes may be served. */
const ROUTES_MAX = 1000

/** A node, seen from outside: metrics, health, log levels, version, profiles. */
export class Operations {
  readonly #server: HttpServer
  readonly #checks = new HealthChecks()
  readonly #routes: OperationsRoute[]

  constructor(options: OperationsOptions, components: OperationsComponents = {}) {
    const { listen = '127.0.0.1:9443', tls, version, profiles = false, routes = [], checks = {} } = options
    const clock = componentOf(components, 'clock') ?? systemClock
    const logger = componentOf(components, 'logger')
    const measured = componentOf(components, 'metrics')
    const metrics = options.metrics ?? (measured instanceof PrometheusMetrics ? measured : undefined)
    const logging = options.logging ?? (logger instanceof Logging ? logger : undefined)
    this.#routes = [
      healthRoute(this.#checks, clock),
      ...(metrics === undefined ? [] : [metricsRoute(metrics.registry)]),
      ...(logging === undefined ? [] : [logSpecRoute(logging)]),
      ...(version === undefined ? [] : [versionRoute(version)]),
      ...(profiles ? profileRoutes(clock) : []),
      ...routes,
    ]
    for (const [component, check] of Object.entries(checks)) this.#checks.add(component, check)
    const log = (logger ?? logging)?.forComponent('kumiko:operations')
    this.#server = new HttpServer({ listen, tls, log }, () => this.#routes)
  }

  /** `host:port` that it listens on; undefined where it does not. */
  get address(): string | undefined {
    return this.#server.address
  }

  /** Has `/healthz` look at a part. @returns Takes the check out again. @throws As `HealthChecks.add`. */
  check(component: string, check: HealthCheck): Cancel {
    return this.#checks.add(component, check)
  }

  /** Serves something else. @returns Takes it out again. @throws KumikoError `operations/registered-otherwise`, `operations/too-many-routes`. */
  add(route: OperationsRoute): Cancel {
    const { path } = route
    if (this.#routes.some((each) => each.path === path))
      throw new KumikoError('operations/registered-otherwise', `${path} is served already`, { context: { path } })
    if (this.#routes.length >= ROUTES_MAX) throw new KumikoError('operations/too-many-routes', `${ROUTES_MAX} paths are served already`)
    this.#routes.push(route)
    return () => {
      const at = this.#routes.indexOf(route)
      if (at >= 0) this.#routes.splice(at, 1)
    }
  }

  /** @throws KumikoError as `HttpServer.start`. */
  async start(): Promise<void> {
    if (this.address === undefined) await this.#server.start()
  }

  /** Ends what is served; what takes longer than some seconds is cut off. */
  async stop(): Promise<void> {
    await this.#server.stop()
  }
}

/** A service of a Host that serves {@link Operations}. */
export function operations(options: OperationsOptions = {}): (components: OperationsComponents) => Operations {
  return (components) => new Operations(options, components)
}

/** A vanilla js-libp2p node throws for components that it does not have. */
function componentOf<K extends keyof OperationsComponents>(components: OperationsComponents, name: K): OperationsComponents[K] {
  try {
    return components[name]
  } catch {
    return undefined
  }
}
