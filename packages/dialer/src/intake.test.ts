import { curve, nodeFromParts } from '@kumiko/identity'
import type { NodeRecord } from '@kumiko/interface'
import { virtualClock } from '@kumiko/testkit'
import { expect, test } from 'vitest'
import { Intake } from './intake.ts'

test('a node that comes when it is no longer wanted is kept for later', async () => {
  const clock = virtualClock()
  const offered: NodeRecord[] = []
  const intake = new Intake({ clock, offer: (node) => offered.push(node) > 0 })
  const node = nodeFromParts({ publicKey: curve.compress(curve.publicKey(new Uint8Array(32).fill(1))) })
  const found = Promise.withResolvers<NodeRecord>()
  intake.add({
    name: 'late',
    async *nodes() {
      yield await found.promise
    },
  })
  intake.want(1)
  await clock.advance(0)
  intake.want(0)
  found.resolve(node)
  await clock.advance(0)
  expect(offered).toEqual([])
  intake.want(1)
  await clock.advance(0)
  expect(offered).toEqual([node])
  await intake.stop()
  await intake.stop()
  expect(clock.pending).toBe(0)
})
