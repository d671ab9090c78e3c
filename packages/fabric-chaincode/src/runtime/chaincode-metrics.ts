import type { Millis } from '@kumiko/interface'
import type { Metrics } from '@libp2p/interface'
import { messageName } from '../stream/message-name.ts'

/** What is measured of chaincode. */
export interface ChaincodeMetrics {
  /** @param packageId - As it registers. @param tookMs - From when it was asked for. */
  launched(packageId: string, tookMs: Millis): void
  launchFailed(packageId: string): void
  launchTimedOut(packageId: string): void
  executeTimedOut(packageId: string): void
  /** @param type - The message's. */
  requested(type: number): void
  answered(type: number, tookMs: Millis): void
}

/** In seconds: Prometheus' own, which Fabric has. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

const none = (): void => {}
const NONE: ChaincodeMetrics = {
  launched: none,
  launchFailed: none,
  launchTimedOut: none,
  executeTimedOut: none,
  requested: none,
  answered: none,
}

/**
 * Measures by Fabric's names; launches by chaincode alone, requests by type alone. It measures nothing where there are no metrics.
 * @see Fabric `core/chaincode/metrics.go`
 */
export function chaincodeMetrics(metrics: Metrics | undefined): ChaincodeMetrics {
  if (metrics === undefined) return NONE
  const counter = (name: string, label: string, help: string): ((value: string) => void) => {
    const counters = metrics.registerCounterGroup(`chaincode_${name}`, { label, help })
    return (value) => counters.increment({ [value]: 1 })
  }
  const histogram = (name: string, label: string, help: string): ((value: string, tookMs: Millis) => void) => {
    const durations = metrics.registerHistogramGroup(`chaincode_${name}`, { label, help, buckets: BUCKETS })
    return (value, tookMs) => durations.observe({ [value]: tookMs / 1000 })
  }
  const received = counter('shim_requests_received', 'type', 'The number of chaincode shim requests received.')
  const completed = counter('shim_requests_completed', 'type', 'The number of chaincode shim requests completed.')
  const durations = histogram('shim_request_duration', 'type', 'The time to complete chaincode shim requests.')
  return {
    launched: histogram('launch_duration', 'chaincode', 'The time to launch a chaincode.'),
    launchFailed: counter('launch_failures', 'chaincode', 'The number of chaincode launches that have failed.'),
    launchTimedOut: counter('launch_timeouts', 'chaincode', 'The number of chaincode launches that have timed out.'),
    executeTimedOut: counter('execute_timeouts', 'chaincode', 'The number of chaincode executions (Init or Invoke) that have timed out.'),
    requested: (type) => received(messageName(type)),
    answered: (type, tookMs) => {
      completed(messageName(type))
      durations(messageName(type), tookMs)
    },
  }
}
