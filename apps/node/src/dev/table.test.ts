import { expect, test } from 'vitest'
import { formatBytes, type NodeRow, renderTable, shortEnode } from './table.ts'

const ENODE = `enode://${'ab'.repeat(64)}@127.0.0.1:40000?discport=0`

const row = (name: string, row: Partial<NodeRow> = {}): NodeRow => ({
  name,
  enode: ENODE,
  found: 5,
  inbound: 1,
  outbound: 2,
  messagesReceived: 10,
  messagesSent: 9,
  bytesReceived: 1234,
  bytesSent: 0,
  pingMs: 0.44,
  ...row,
})

test('puts nodes below each other, numbers flush right', () => {
  const lines = renderTable([row('node-1'), row('node-10', { pingMs: undefined, messagesSent: 1000 })], { columns: 120, rows: 10 })
  expect(lines).toEqual([
    'node     enode                                  found  peers  in/out  messages in/out  bytes in/out    ping',
    'node-1   enode://abababab…abab@127.0.0.1:40000      5      3     1/2             10/9    1.2 kB/0 B  0.4 ms',
    'node-10  enode://abababab…abab@127.0.0.1:40000      5      3     1/2          10/1000    1.2 kB/0 B       –',
  ])
})

test('keeps to the terminal: long lines are cut, nodes that do not fit are counted', () => {
  const lines = renderTable(
    Array.from({ length: 9 }, (_, i) => row(`node-${i + 1}`)),
    { columns: 20, rows: 4 },
  )
  expect(lines).toEqual(['node    found  peer…', 'node-1      5      …', 'node-2      5      …', '… and 7 more'])
  expect(renderTable([row('node-1'), row('node-2')], { columns: 80, rows: 3 })).toHaveLength(3)
})

test('a narrow terminal does without what says least', () => {
  const heading = (columns: number): string | undefined => renderTable([row('node-1')], { columns, rows: 9 })[0]
  expect(heading(80)).toBe('node    found  peers  in/out  messages in/out  bytes in/out    ping')
  expect(heading(66)).toBe('node    found  peers  in/out  messages in/out    ping')
  expect(heading(40)).toBe('node    found  peers  in/out    ping')
  expect(heading(30)).toBe('node    found  peers    ping')
})

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 kB'],
  [9949, '9.9 kB'],
  [9950, '10 kB'],
  [999_499, '999 kB'],
  [999_500, '1.0 MB'],
  [34_000_000, '34 MB'],
  [5e15, '5000 TB'],
])('%d bytes are %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text)
})

test('what is no enode URL stays as it is', () => {
  expect(shortEnode('nothing')).toBe('nothing')
})
