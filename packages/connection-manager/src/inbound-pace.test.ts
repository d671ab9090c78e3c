import { expect, it } from 'vitest'
import { InboundPace } from './inbound-pace.ts'

it('an address that waits for others does not pay for it', () => {
  const rate = { perIp: { count: 1, intervalMs: 100_000 }, total: { count: 1, intervalMs: 1_000 } }
  const pace = new InboundPace({ throttleMs: 0, rate, isLanThrottled: false })
  const pass = (ip: string, now: number): boolean => pace.pass('libp2p', ip, now)
  expect([pass('8.8.8.8', 0), pass('9.9.9.9', 1), pass('9.9.9.9', 1_000), pass('9.9.9.9', 2_000)]).toEqual([true, false, true, false])
})
