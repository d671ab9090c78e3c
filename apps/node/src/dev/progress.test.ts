import { expect, test } from 'vitest'
import { type DevEvent, describeMissing, Progress } from './progress.ts'

const connected = (node: string, peer: string): DevEvent => ({ event: 'connected', node, peer, direction: 'inbound' })
const lost = (node: string, peer: string): DevEvent => ({ event: 'disconnected', node, peer })
const answered = (node: string, peer: string, capability: 'echo' | 'pingpong'): DevEvent => ({
  event: 'answered',
  node,
  peer,
  capability,
  roundTripMs: 1,
})

/** All that two nodes have to bring. */
const through = (a: string, b: string): DevEvent[] =>
  [
    [a, b],
    [b, a],
  ].flatMap(([node = '', peer = '']) => [connected(node, peer), answered(node, peer, 'echo'), answered(node, peer, 'pingpong')])

test('is complete when each node is connected with each, and has been answered by each over both capabilities', () => {
  const events = [...through('a', 'b'), ...through('b', 'c'), ...through('a', 'c')]
  for (const left of events) {
    const progress = new Progress(['a', 'b', 'c'])
    for (const event of events) if (event !== left) progress.receive(event)
    expect(progress.isComplete).toBe(false)
    expect(progress.missing()).toHaveLength(1)
    progress.receive(left)
    expect([progress.isComplete, progress.missing(), progress.pairs]).toEqual([true, [], 3])
  }
})

test('a lost connection counts for nothing, and the next begins anew', () => {
  const progress = new Progress(['a', 'b'])
  for (const event of through('a', 'b')) progress.receive(event)
  progress.receive(lost('b', 'a'))
  expect([progress.isComplete, progress.missing()]).toEqual([false, [{ a: 'a', b: 'b', why: 'not connected' }]])
  progress.receive(connected('b', 'a'))
  expect(progress.missing()).toEqual([{ a: 'a', b: 'b', why: 'no answer yet' }])
})

test('names some of the pairs that are missing, and counts the others', () => {
  const names = ['a', 'b', 'c', 'd', 'e']
  const progress = new Progress(names)
  for (const event of through('a', 'b').slice(0, 4)) progress.receive(event)
  const text = describeMissing(progress.missing())
  expect(text).toBe(
    'a – b (no answer yet), a – c (not connected), a – d (not connected), a – e (not connected), b – c (not connected), b – d (not connected), and 4 more',
  )
})
