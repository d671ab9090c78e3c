export { CHECKS_MAX, type FailedCheck, type HealthCheck, type HealthStatus } from './health.ts'
export { CONNECTIONS_MAX, type OperationsTls } from './http-server.ts'
export {
  LOG_LEVELS,
  LOG_SPEC_MAX,
  type LogLevel,
  type LogSpec,
  type LogSpecFault,
  levelOf,
  parseLogSpec,
  printLogSpec,
} from './log-spec.ts'
export { entryText, type LogEntry, Logging, type LoggingOptions, MESSAGE_MAX } from './logging.ts'
export { Operations, type OperationsComponents, type OperationsOptions, operations } from './operations.ts'
export { PROFILE_SECONDS_MAX } from './profile-routes.ts'
export { GROUP_VALUES_MAX, OTHER, PrometheusMetrics, type PrometheusMetricsOptions } from './prometheus-metrics.ts'
export { BODY_MAX_BYTES, json, type OperationsRequest, type OperationsResponse, type OperationsRoute } from './route.ts'
export type { VersionInfo } from './routes.ts'
