import { createHost } from '@kumiko/host'
import { expect, it } from 'vitest'
import { Logging } from '../src/logging.ts'
import { operations } from '../src/operations.ts'
import { PrometheusMetrics } from '../src/prometheus-metrics.ts'

it('is a service of a Host, of whose metrics and logs it tells', async () => {
  const metrics = new PrometheusMetrics({ process: false })
  const logger = new Logging({ write: () => {} })
  const host = await createHost({
    metrics: () => metrics,
    logger,
    services: { operations: operations({ listen: '127.0.0.1:0', version: { version: '0.1.0' } }) },
    start: true,
  })
  try {
    const url = `http://${host.services.operations.address}`
    metrics.registerMetric('peers').update(host.getPeers().length)
    expect(await (await fetch(`${url}/metrics`)).text()).toContain('peers 0')
    expect((await fetch(`${url}/healthz`)).status).toBe(200)
    expect((await fetch(`${url}/logspec`, { method: 'PUT', body: '{"spec":"libp2p=error"}' })).status).toBe(204)
    expect(logger.spec).toBe('libp2p=error:info')
  } finally {
    await host.stop()
  }
  expect(host.services.operations.address).toBeUndefined()
})
