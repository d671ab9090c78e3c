import { int32, type Message, message, string } from '@kumiko/fabric-protocol'
import { News, raceAbort } from '@kumiko/interface'
import type { BoundMethod, CallInfo } from './contract.ts'
import { type ServerStreamMethod, serverStream, type UnaryMethod, unary } from './method.ts'
import { RpcError, RpcStatus } from './rpc-error.ts'
import { serve } from './serve.ts'

/** Whether a service serves. `grpc.health.v1.HealthCheckResponse.ServingStatus`. */
export const ServingStatus = { unknown: 0, serving: 1, notServing: 2, serviceUnknown: 3 } as const

/** One of {@link ServingStatus}. */
export type ServingStatus = (typeof ServingStatus)[keyof typeof ServingStatus]

/** `grpc.health.v1.HealthCheckRequest`. */
export interface HealthRequest {
  /** A service's full name; empty for the server as a whole. */
  readonly service: string
}

/** `grpc.health.v1.HealthCheckResponse`. */
export interface HealthResponse {
  /** A {@link ServingStatus}. */
  readonly status: number
}

const HealthRequest: Message<HealthRequest> = message<HealthRequest>('grpc.health.v1.HealthCheckRequest', { service: string(1) })
const HealthResponse: Message<HealthResponse> = message<HealthResponse>('grpc.health.v1.HealthCheckResponse', { status: int32(1) })

/** Asks once. */
export const healthCheck: UnaryMethod<HealthRequest, HealthResponse> = unary('/grpc.health.v1.Health/Check', HealthRequest, HealthResponse)

/** Asks for the status now, and each one after it. */
export const healthWatch: ServerStreamMethod<HealthRequest, HealthResponse> = serverStream(
  '/grpc.health.v1.Health/Watch',
  HealthRequest,
  HealthResponse,
)

/**
 * Tells clients which services serve: `grpc.health.v1.Health`, as Go's servers have it. The server as a whole serves from the start.
 * @see https://github.com/grpc/grpc/blob/master/doc/health-checking.md
 */
export class Health {
  /** As many as were set. */
  readonly #statuses = new Map<string, ServingStatus>([['', ServingStatus.serving]])
  readonly #news = new News()

  /** For a listener. */
  get bound(): BoundMethod[] {
    return [
      serve(healthCheck, async ({ service }) => this.#check(service)),
      serve(healthWatch, ({ service }, call) => this.#watch(service, call)),
    ]
  }

  /** @param service - A full name, as `gateway.Gateway`; empty for the server as a whole. */
  set(service: string, status: ServingStatus): void {
    this.#statuses.set(service, status)
    this.#news.tell()
  }

  #check(service: string): HealthResponse {
    const status = this.#statuses.get(service)
    if (status === undefined) throw new RpcError(RpcStatus.notFound, 'unknown service')
    return { status }
  }

  async *#watch(service: string, { signal }: CallInfo): AsyncGenerator<HealthResponse> {
    for (let last: ServingStatus | undefined; ; ) {
      const news = this.#news.next
      const status = this.#statuses.get(service) ?? ServingStatus.serviceUnknown
      if (status !== last) yield { status }
      last = status
      await raceAbort(news, signal)
    }
  }
}
