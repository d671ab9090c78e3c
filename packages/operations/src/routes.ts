import type { Clock, Millis } from '@kumiko/interface'
import type { Registry } from 'prom-client'
import type { HealthChecks } from './health.ts'
import type { Logging } from './logging.ts'
import { json, type OperationsRequest, type OperationsResponse, type OperationsRoute } from './route.ts'

/** What `/version` tells. */
export interface VersionInfo {
  readonly version: string
  readonly commitSha?: string
}

/** `/metrics`, in Prometheus' text. */
export function metricsRoute(registry: Registry): OperationsRoute {
  return {
    path: '/metrics',
    handle: async () => ({ status: 200, contentType: registry.contentType, body: await registry.metrics() }),
  }
}

/** Checks that take longer are given up, as in Fabric. */
const CHECKS_TIMEOUT_MS: Millis = 30_000

/** `/healthz`. @see Fabric `fabric-lib-go/healthz/checker.go` */
export function healthRoute(checks: HealthChecks, clock: Clock): OperationsRoute {
  return {
    path: '/healthz',
    isOpen: true,
    handle: async ({ method, signal }) => {
      if (method !== 'GET') return { status: 405 }
      const timeout = new AbortController()
      const cancel = clock.at(clock.now() + CHECKS_TIMEOUT_MS, () => timeout.abort())
      try {
        const health = await runUntil(checks, clock, AbortSignal.any([signal, timeout.signal]))
        if (health === undefined) return { status: 408 }
        return json(health.status === 'OK' ? 200 : 503, health)
      } finally {
        cancel()
      }
    },
  }
}

async function runUntil(checks: HealthChecks, clock: Clock, signal: AbortSignal) {
  const aborted = Promise.withResolvers<undefined>()
  signal.addEventListener('abort', () => aborted.resolve(undefined), { once: true })
  return await Promise.race([checks.run(clock, signal).catch(() => undefined), aborted.promise])
}

/** `/logspec`. @see Fabric `fabric-lib-go/common/flogging/httpadmin/spec.go` */
export function logSpecRoute(logging: Logging): OperationsRoute {
  return {
    path: '/logspec',
    handle: (request) => {
      if (request.method === 'GET') return json(200, { spec: logging.spec })
      if (request.method !== 'PUT') return json(400, { error: `invalid request method: ${request.method}` })
      return putLogSpec(logging, request)
    },
  }
}

function putLogSpec(logging: Logging, { body }: OperationsRequest): OperationsResponse {
  if (body.length === 0) return json(400, { error: 'EOF' })
  const spec = specIn(body)
  const refused = spec === undefined ? 'want a JSON object whose member "spec" is text' : logging.activate(spec)
  return refused === undefined ? { status: 204 } : json(400, { error: refused })
}

/** Go's: a member that is not there is empty. */
function specIn(body: Uint8Array): string | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(body))
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return
    const spec: unknown = Reflect.get(value, 'spec') ?? ''
    return typeof spec === 'string' ? spec : undefined
  } catch {
    return
  }
}

/** `/version`. @see Fabric `core/operations/version.go` */
export function versionRoute({ version, commitSha }: VersionInfo): OperationsRoute {
  return {
    path: '/version',
    isOpen: true,
    handle: ({ method }) =>
      method === 'GET'
        ? json(200, { ...(commitSha !== undefined && { CommitSHA: commitSha }), Version: version })
        : json(400, { Error: `invalid request method: ${method}` }),
  }
}
