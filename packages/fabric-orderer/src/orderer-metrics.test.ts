import type { Metrics } from '@libp2p/interface'
import { describe, expect, it } from 'vitest'
import { ordererMetrics } from './orderer-metrics.ts'

describe('ordererMetrics', () => {
  it('measures by Fabric’s names, by channel', () => {
    const told: unknown[] = []
    const tell = (name: string) => (values: unknown) => void told.push([name, values])
    // What is asked of a registry.
    const registry = {
      registerCounterGroup: (name: string) => ({ increment: tell(name) }),
      registerHistogramGroup: (name: string) => ({ observe: tell(name) }),
      registerMetricGroup: (name: string) => ({ update: tell(name) }),
    } as unknown as Metrics
    const metrics = ordererMetrics(registry)
    metrics.processed('c')
    metrics.validated('c', 2)
    metrics.enqueued('c', 30)
    metrics.filled('c', 400)
    metrics.status('c', 'failed')
    expect(told).toEqual([
      ['broadcast_processed_count', { c: true }],
      ['broadcast_validate_duration', { c: 0.002 }],
      ['broadcast_enqueue_duration', { c: 0.03 }],
      ['blockcutter_block_fill_duration', { c: 0.4 }],
      ['participation_status', { c: 3 }],
    ])
  })
})
