import { describe, expect, it } from 'vitest'
import { GROUP_VALUES_MAX, PrometheusMetrics } from './prometheus-metrics.ts'

async function lines(metrics: PrometheusMetrics): Promise<string[]> {
  return (await metrics.registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
}

describe('metrics for Prometheus', () => {
  it('are those that parts register, by names that Prometheus takes', async () => {
    const metrics = new PrometheusMetrics({ process: false })
    metrics.registerMetric('a-gauge').update(3)
    metrics.registerCounter('b:count', { help: 'Counts.' }).increment()
    metrics.registerMetricGroup('heights', { label: 'channel' }).update({ one: 1, two: 2 })
    metrics.registerCounterGroup('calls_by_kind').increment({ get: true, put: 4 })
    metrics.registerHistogram('times', { buckets: [1, 2] }).observe(1.5)
    metrics.registerHistogramGroup('sizes', { label: 'of', buckets: [10] }).observe({ block: 20 })
    metrics.registerSummary('s', { percentiles: [0.5] }).observe(1)
    expect(await lines(metrics)).toEqual([
      'a_gauge 3',
      'b_count 1',
      'heights{channel="one"} 1',
      'heights{channel="two"} 2',
      'calls_by_kind{kind="get"} 1',
      'calls_by_kind{kind="put"} 4',
      'times_bucket{le="1"} 0',
      'times_bucket{le="2"} 1',
      'times_bucket{le="+Inf"} 1',
      'times_sum 1.5',
      'times_count 1',
      'sizes_bucket{le="10",of="block"} 0',
      'sizes_bucket{le="+Inf",of="block"} 1',
      'sizes_sum{of="block"} 20',
      'sizes_count{of="block"} 1',
      's{quantile="0.5"} 1',
      's_sum 1',
      's_count 1',
    ])
  })

  it('are shared by parts that register the same, and calculated when they are read', async () => {
    const metrics = new PrometheusMetrics({ process: false })
    metrics.registerCounter('shared').increment()
    metrics.registerCounter('shared').increment(2)
    let peers = 1
    metrics.registerMetric('peers', { calculate: () => peers })
    metrics.registerMetric('peers', { calculate: async () => 10 })
    metrics.registerMetricGroup('of', { label: 'x', calculate: () => ({ a: peers }) })
    metrics.registerCounterGroup('co', { label: 'x', calculate: () => ({ a: peers }) })
    peers = 2
    expect(await lines(metrics)).toEqual(['shared 3', 'peers 12', 'of{x="a"} 2', 'co{x="a"} 2'])
    peers = 3
    expect(await lines(metrics)).toEqual(['shared 3', 'peers 13', 'of{x="a"} 3', 'co{x="a"} 3'])
    expect(() => metrics.registerMetric('shared')).toThrow('registered as something else')
  })

  it('have no more values than a bound, whoever names them', async () => {
    const metrics = new PrometheusMetrics({ process: false })
    const group = metrics.registerCounterGroup('names', { label: 'name' })
    for (let n = 0; n < GROUP_VALUES_MAX + 5; n++) group.increment({ [`n${n}`]: true })
    const found = await lines(metrics)
    expect(found).toHaveLength(GROUP_VALUES_MAX + 1)
    expect(found.at(-1)).toBe('names{name="other"} 5')
  })

  it('measure the process', async () => {
    const found = await lines(new PrometheusMetrics())
    expect(found.some((line) => line.startsWith('process_cpu_seconds_total'))).toBe(true)
  })
})
