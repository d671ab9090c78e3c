import { expect, it } from 'vitest'
import { TrafficBook } from './traffic.ts'

const ETH = { name: 'eth', version: 69 }
const NONE = { bytesReceived: 0, bytesSent: 0, messagesReceived: 0, messagesSent: 0 }

it('counts wire bytes and messages apart, by capability', () => {
  const book = new TrafficBook()
  const meter = book.open()
  meter.bytes('sent', 100)
  meter.message('sent', ETH, 0, 300)
  meter.message('received', { ...ETH }, 1, 7)
  expect(book.total()).toEqual({
    ...NONE,
    bytesSent: 100,
    messagesSent: 1,
    messagesReceived: 1,
    capabilities: { 'eth/69': { bytesSent: 300, bytesReceived: 7, messagesSent: 1, messagesReceived: 1 } },
  })
})

it('attributes to a peer what was counted before, and forgets a peer with its last connection, but not the total', () => {
  const book = new TrafficBook()
  const [first, second] = [book.open(), book.open()]
  first.bytes('received', 5)
  for (const meter of [first, second]) book.attribute(meter, 'peer')
  second.bytes('received', 2)
  book.close(first)
  book.close(first)
  expect(book.peer('peer').bytesReceived).toBe(7)
  book.close(second)
  expect(book.peer('peer')).toEqual({ ...NONE, capabilities: {} })
  expect(book.total().bytesReceived).toBe(7)
})

it('tells a listener of each message', () => {
  const seen: unknown[] = []
  const meter = new TrafficBook().open()
  meter.listener = (...message) => seen.push(message)
  meter.message('received', ETH, 3, 9)
  expect(seen).toEqual([['received', ETH, 3, 9]])
})

it('counts capabilities beyond its bound together', () => {
  const meter = new TrafficBook().open()
  for (let version = 0; version < 1_000; version++) meter.message('sent', { name: 'x', version }, 0, 1)
  const { capabilities } = meter.tally.traffic()
  expect(Object.keys(capabilities).length).toBeLessThanOrEqual(257)
  expect(capabilities.others).toMatchObject({ messagesSent: 1_000 - 256 })
})
