import { setImmediate as turn } from 'node:timers/promises'
import { ChaincodeId, ChaincodeMessage, ChaincodeMessageType } from '@kumiko/fabric-protocol'
import { virtualClock } from '@kumiko/testkit'
import { expect, it } from 'vitest'
import { chaincodeMetrics } from './chaincode-metrics.ts'
import type { ChaincodeDuplex } from './connector.ts'
import { StreamDriver } from './stream-driver.ts'

const LIMITS = { registerTimeoutMs: 500, executeTimeoutMs: 1000, keepaliveMs: 100, executionsMax: 5 }

/** A stream on which the chaincode says these things, and takes nothing before it is let. */
function slowStream(messages: readonly ChaincodeMessage[]) {
  const state = { read: 0, sent: [] as number[], end: '' }
  const room = Promise.withResolvers<void>()
  const over = Promise.withResolvers<void>()
  const stream: ChaincodeDuplex = {
    messages: (async function* () {
      for (const message of messages) {
        state.read++
        yield message
      }
      await over.promise
    })(),
    send: ({ type }) => {
      state.sent.push(type)
      return false
    },
    drained: () => room.promise,
    end: () => {
      state.end ||= 'ended'
    },
    fail: (error) => {
      state.end ||= error.message
      room.resolve()
      over.resolve()
    },
  }
  return { state, stream, room, over }
}

const register = ChaincodeMessage.create({ type: ChaincodeMessageType.register, payload: ChaincodeId.encode({ name: 'n' }) })
const request = ChaincodeMessage.create({ type: ChaincodeMessageType.getState, txid: 'none' })
const registry = { register: () => undefined, ready: () => {} }
const metrics = chaincodeMetrics(undefined)

it('reads nothing more of a chaincode that does not take its answers', async () => {
  const { state, stream, room, over } = slowStream([register, request, request, request])
  const driver = new StreamDriver(stream, { limits: LIMITS, clock: virtualClock(), registry, metrics })
  const run = driver.run()
  await turn()
  expect(state).toMatchObject({ read: 1, sent: [ChaincodeMessageType.registered, ChaincodeMessageType.ready] })
  room.resolve()
  await turn()
  expect(state.read).toBe(4)
  expect(state.sent.slice(2)).toEqual(Array(3).fill(ChaincodeMessageType.error))
  over.resolve()
  await run
  expect(state.end).toBe('ended')
  expect(driver.isReady).toBe(false)
})

it('ends a stream on which nobody registers, and one that it is told to end', async () => {
  const clock = virtualClock()
  const silent = slowStream([])
  const waiting = expect(new StreamDriver(silent.stream, { limits: LIMITS, clock, registry, metrics }).run()).rejects.toThrow(
    'not registered in time',
  )
  await clock.advance(500)
  await waiting
  expect(silent.state.end).toBe('the chaincode has not registered in time')
  expect(silent.state.sent).toEqual(Array(4).fill(ChaincodeMessageType.keepalive))
  const { state, stream } = slowStream([register])
  const driver = new StreamDriver(stream, { limits: LIMITS, clock, registry, metrics })
  const ended = expect(driver.run()).rejects.toThrow('enough')
  await turn()
  driver.end('enough')
  driver.end('again')
  expect(state.end).toBe('enough')
  await ended
  expect(clock.pending).toBe(0)
})
