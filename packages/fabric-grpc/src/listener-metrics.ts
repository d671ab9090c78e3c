import type { Metrics } from '@libp2p/interface'
import type { BoundMethod } from './contract.ts'

/** What a listener counts, by Fabric's names; calls by `service/method`. @see Fabric `common/grpcmetrics`, `internal/pkg/comm/metrics.go` */
export interface ListenerMetrics {
  opened(): void
  closed(): void
  received(method: BoundMethod['method']): void
  completed(method: BoundMethod['method']): void
}

/** Counts in a registry. */
export function listenerMetrics(metrics: Metrics): ListenerMetrics {
  const opened = metrics.registerCounter('grpc_comm_conn_opened', {
    help: 'gRPC connections opened. Open minus closed is the active number of connections.',
  })
  const closed = metrics.registerCounter('grpc_comm_conn_closed', {
    help: 'gRPC connections closed. Open minus closed is the active number of connections.',
  })
  const group = (kind: string, what: string) =>
    metrics.registerCounterGroup(`grpc_server_${kind}_requests_${what}`, {
      label: 'method',
      help: `The number of ${kind} requests ${what}.`,
    })
  const unary = { received: group('unary', 'received'), completed: group('unary', 'completed') }
  const stream = { received: group('stream', 'received'), completed: group('stream', 'completed') }
  const count = (what: 'received' | 'completed', { kind, path }: BoundMethod['method']): void =>
    (kind === 'unary' ? unary : stream)[what].increment({ [path.slice(1)]: true })
  return {
    opened: () => opened.increment(),
    closed: () => closed.increment(),
    received: (method) => count('received', method),
    completed: (method) => count('completed', method),
  }
}
