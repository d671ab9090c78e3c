import { decodeRlp, encodeRlp } from '@kumiko/identity'
import { isFault, type NodeRecord } from '@kumiko/interface'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { forkIdOf } from './eth-entry.ts'
import { encodeForkId, readForkId } from './fork-id.ts'

/** All that is read of a node here. */
const nodeWith = (entry: Uint8Array): NodeRecord => ({ entry: () => entry }) as unknown as NodeRecord

test('any bytes are a fork id or a fault', () => {
  const bytes = fc.uint8Array({ maxLength: 300 })
  const near = fc.tuple(fc.uint8Array({ maxLength: 6 }), fc.uint8Array({ maxLength: 10 })).map(([hash, next]) => encodeRlp([[hash, next]]))
  fc.assert(
    fc.property(fc.oneof(bytes, near), (entry) => {
      const id = forkIdOf(nodeWith(entry))
      if (id === undefined) expect.unreachable('there is an entry')
      else if (!isFault(id)) expect(id.hash >= 0 && id.hash < 2 ** 32 && id.next < 2n ** 64n).toBe(true)
    }),
  )
})

test('any fork id comes back as it was', () => {
  const ids = fc.record({ hash: fc.integer({ min: 0, max: 2 ** 32 - 1 }), next: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) })
  fc.assert(
    fc.property(ids, (id) => {
      expect(readForkId(decodeRlp(encodeForkId(id)))).toEqual(id)
    }),
  )
})
