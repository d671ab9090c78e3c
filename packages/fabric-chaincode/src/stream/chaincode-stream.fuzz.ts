import { ChaincodeId, ChaincodeMessage, ChaincodeMessageType } from '@kumiko/fabric-protocol'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { ChaincodeStream, type StreamEffect } from './chaincode-stream.ts'

const TXIDS = ['a', 'b', 'c', 'd']
const txid = fc.constantFrom(...TXIDS)

type Step =
  | { readonly kind: 'receive'; readonly type: number; readonly txid: string }
  | { readonly kind: 'execute' | 'answer' | 'abort'; readonly txid: string }
  | { readonly kind: 'expire'; readonly afterMs: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('receive' as const), type: fc.integer({ min: 6, max: 25 }), txid }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('receive' as const), type: fc.integer({ min: -2, max: 40 }), txid }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom('execute' as const, 'answer' as const, 'abort' as const), txid }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('expire' as const), afterMs: fc.nat({ max: 20 }) }) },
)

it('settles each execution once, handles one request of it at a time, and answers each request once, whatever comes', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const stream = new ChaincodeStream<number>({ registerTimeoutMs: 5, executeTimeoutMs: 30, keepaliveMs: 7, executionsMax: 3 }, 0)
      stream.receive(ChaincodeMessage.create({ type: ChaincodeMessageType.register, payload: ChaincodeId.encode({ name: 'n' }) }))
      stream.accept()
      const open = new Set<number>()
      const requests = new Map<string, ChaincodeMessage>()
      let [now, count, handled, answered] = [0, 0, 0, 0]
      const look = (effects: readonly StreamEffect<number>[]): void => {
        for (const effect of effects) {
          if (effect.do === 'settle') expect(open.delete(effect.execution)).toBe(true)
          if (effect.do === 'handle') {
            expect(open.has(effect.execution)).toBe(true)
            expect(requests.has(effect.request.txid)).toBe(false)
            requests.set(effect.request.txid, effect.request)
            handled++
          }
        }
      }
      for (const each of steps) {
        if (each.kind === 'expire') {
          now += each.afterMs
          look(stream.expire(now))
          expect(stream.deadline).toBeGreaterThan(now)
        } else if (each.kind === 'receive')
          look(stream.receive(ChaincodeMessage.create({ type: each.type, txid: each.txid, channelId: 'ch' })))
        else if (each.kind === 'answer') {
          const request = requests.get(each.txid)
          if (request === undefined) continue
          requests.delete(each.txid)
          const effects = stream.answer(request, new Uint8Array())
          answered += effects.length > 0 ? 1 : 0
          look(effects)
        } else {
          const message = ChaincodeMessage.create({ type: ChaincodeMessageType.transaction, txid: each.txid, channelId: 'ch' })
          if (each.kind === 'abort') look(stream.abort({ execution: 0, message }))
          else if (Array.isArray(stream.execute({ execution: ++count, message }, now))) open.add(count)
        }
        expect(open.size).toBeLessThanOrEqual(3)
      }
      look(stream.end('over'))
      expect(open.size).toBe(0)
      expect(answered).toBeLessThanOrEqual(handled)
    }),
    { numRuns: 500 },
  )
})

it('reads any message, or tells a fault', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const message = ChaincodeMessage.decode(bytes)
      if ('fault' in message) return
      const stream = new ChaincodeStream<number>({ registerTimeoutMs: 5, executeTimeoutMs: 30, keepaliveMs: 0, executionsMax: 3 }, 0)
      expect(stream.receive(message).length).toBeLessThanOrEqual(1)
    }),
    { numRuns: 1000 },
  )
})
