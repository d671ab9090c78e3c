import { expect, test } from 'vitest'
import { readContract } from './transport-contract.ts'

const ENV = {
  transport: 'tcp',
  muxer: 'yamux',
  security: 'noise',
  is_dialer: 'true',
  ip: '127.0.0.1',
  redis_addr: 'localhost:1',
  test_timeout_seconds: '20',
}

test('the environment is read', () => {
  expect(readContract(ENV)).toEqual({
    transport: 'tcp',
    muxer: 'yamux',
    security: 'noise',
    isDialer: true,
    ip: '127.0.0.1',
    redis: 'localhost:1',
    timeoutMs: 20_000,
  })
})

test('what test-plans leave out has their defaults', () => {
  expect(readContract({ transport: 'quic-v1', is_dialer: 'false' })).toEqual({
    transport: 'quic-v1',
    muxer: '',
    security: '',
    isDialer: false,
    ip: '0.0.0.0',
    redis: 'redis:6379',
    timeoutMs: 180_000,
  })
})

test.each([
  ['transport', 'webtransport'],
  ['muxer', 'mplex'],
  ['muxer', ''],
  ['security', 'plaintext'],
  ['is_dialer', 'yes'],
  ['test_timeout_seconds', 'soon'],
])('%s is not %j', (name, value) => {
  expect(() => readContract({ ...ENV, [name]: value })).toThrow(name)
})
