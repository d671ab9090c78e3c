import { encodeRlp, formatEnr, signEnr } from '@kumiko/identity'
import { expect, test } from 'vitest'
import { describeEnr } from './enr-description.ts'

const SECRET_KEY = new Uint8Array(32).fill(7)

test('tells known entries in words and others in hex digits', () => {
  const entries = {
    ip: Uint8Array.of(10, 0, 0, 1),
    ip6: new Uint8Array(16).fill(0xfe),
    tcp: 30303,
    eth: [[Uint8Array.of(0xfc, 0x64, 0xec, 0x04), 1_150_000]],
    // /ip4/1.2.3.4/tcp/4001 and /ip4/1.2.3.4/udp/4001/quic-v1, each behind its length.
    multiaddrs: Buffer.from('0008 0401020304 060fa1 000b 0401020304 91020fa1cd03'.replaceAll(' ', ''), 'hex'),
    list: [Uint8Array.of(1), [Uint8Array.of(2)]],
    udp: Uint8Array.of(1, 2, 3),
  }
  const record = signEnr(SECRET_KEY, 9n, Object.fromEntries(Object.entries(entries).map(([key, value]) => [key, encodeRlp(value)])))
  const { entries: told, ...rest } = describeEnr(formatEnr(record))
  expect(Object.fromEntries(told.map(({ key, text }) => [key, text]))).toEqual({
    eth: 'fork 0xfc64ec04, next at 1150000',
    id: 'v4',
    ip: '10.0.0.1',
    ip6: 'fefe:fefe:fefe:fefe:fefe:fefe:fefe:fefe',
    list: '[0x01, [0x02]]',
    multiaddrs: '/ip4/1.2.3.4/tcp/4001 /ip4/1.2.3.4/udp/4001/quic-v1',
    secp256k1: `0x${Buffer.from(record.publicKey).toString('hex')}`,
    tcp: '30303',
    udp: '0x010203',
  })
  expect(rest).toMatchObject({ isValid: true, seq: 9n, sizeBytes: record.bytes.length, nodeId: record.nodeId })
})

test('shows a record whose signature does not hold, and says so', () => {
  const record = signEnr(SECRET_KEY, 9n, { tcp: encodeRlp(1) })
  const bytes = record.bytes.slice()
  bytes[bytes.length - 1] = 2
  const described = describeEnr(formatEnr({ bytes }))
  expect(described).toMatchObject({ isValid: false, why: 'invalid signature', seq: 9n })
  expect(described.entries.find(({ key }) => key === 'tcp')?.text).toBe('2')
})

test.each(['', 'enr:', 'abc', 'enr:xx=', 'enr:x x', 'enr:AAAA', `enr:${'A'.repeat(500)}`])('refuses %j', (text) => {
  expect(() => describeEnr(text)).toThrow(expect.objectContaining({ code: 'identity/bad-enr' }))
})
