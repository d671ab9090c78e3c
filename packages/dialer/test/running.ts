import { expect, onTestFinished } from 'vitest'
import { type DialerPart, dialer } from '../src/dialer.ts'
import type { DialerOptions } from '../src/options.ts'
import type { FakeNode } from './fake-node.ts'
import { peer } from './nodes.ts'

/** A dialer that runs on a fake node, and is stopped with nothing left over when the test ends. */
export function running(fake: FakeNode, options: DialerOptions = {}): DialerPart {
  const part = dialer({ lookup: async () => [], ...options })(fake.components())
  part.start()
  part.afterStart()
  onTestFinished(async () => {
    await part.stop()
    expect(fake.clock.pending).toBe(0)
    for (const event of ['peer:connect', 'peer:disconnect', 'peer:update']) expect(fake.events.listenerCount(event)).toBe(0)
  })
  return part
}

/** What a promise has come to after so long. */
export async function after<T>(fake: FakeNode, durationMs: number, promise: Promise<T>): Promise<T> {
  promise.catch(() => {})
  await fake.clock.advance(durationMs)
  const late = Promise.reject(new Error(`nothing within ${durationMs} ms`))
  return await Promise.race([promise, late])
}

/** Where a peer listens. */
export function address(number: number, port = 30303): string {
  return `/ip4/10.0.0.${number}/tcp/${port}`
}

/** The same with the peer. */
export function full(number: number, port = 30303): string {
  return `${address(number, port)}/p2p/${peer(number)}`
}
