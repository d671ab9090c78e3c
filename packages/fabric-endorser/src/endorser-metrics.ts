import type { Millis } from '@kumiko/interface'
import type { Metrics } from '@libp2p/interface'

/** What is measured of an endorser. */
export interface EndorserMetrics {
  received(): void
  /** It was no proposal, or its creator's no more. */
  invalid(): void
  duplicate(channelId: string): void
  denied(channelId: string): void
  simulationFailed(channelId: string): void
  endorsementFailed(channelId: string): void
  succeeded(): void
  /** @param tookMs - From when it came, for those that were worked on. */
  took(channelId: string, tookMs: Millis): void
}

/** In seconds: Prometheus' own, which Fabric has. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** Measures by Fabric's names; each by channel alone. They measure nothing where there are no metrics. @see Fabric `core/endorser/metrics.go` */
export function endorserMetrics(metrics: Metrics | undefined): EndorserMetrics {
  const none = () => {}
  if (metrics === undefined)
    return {
      received: none,
      invalid: none,
      duplicate: none,
      denied: none,
      simulationFailed: none,
      endorsementFailed: none,
      succeeded: none,
      took: none,
    }
  const count = (name: string, help: string) => {
    const counter = metrics.registerCounter(`endorser_${name}`, { help })
    return () => counter.increment()
  }
  const countByChannel = (name: string, help: string) => {
    const counters = metrics.registerCounterGroup(`endorser_${name}`, { label: 'channel', help })
    return (channelId: string) => counters.increment({ [channelId]: 1 })
  }
  const durations = metrics.registerHistogramGroup('endorser_proposal_duration', {
    label: 'channel',
    help: 'The time to complete a proposal.',
    buckets: BUCKETS,
  })
  return {
    received: count('proposals_received', 'The number of proposals received.'),
    invalid: count('proposal_validation_failures', 'The number of proposals that have failed initial validation.'),
    duplicate: countByChannel('duplicate_transaction_failures', 'The number of failed proposals due to duplicate transaction ID.'),
    denied: countByChannel('proposal_acl_failures', 'The number of proposals that failed ACL checks.'),
    simulationFailed: countByChannel('proposal_simulation_failures', 'The number of failed proposal simulations'),
    endorsementFailed: countByChannel('endorsement_failures', 'The number of failed endorsements.'),
    succeeded: count('successful_proposals', 'The number of successful proposals.'),
    took: (channelId, tookMs) => durations.observe({ [channelId]: tookMs / 1000 }),
  }
}
