import { expect, test } from 'vitest'
import { AddressHistory } from './address-history.ts'

const ADDRESS = '/ip4/1.1.1.1/tcp/1'

test('the back-off grows from 5 s by the square of the failures, up to 5 minutes, and ends with a success', () => {
  const history = new AddressHistory()
  const backOffs: number[] = []
  for (let i = 0; i < 20; i++) {
    history.failed(ADDRESS, 0)
    let endsAt = 0
    while (history.isBackedOff(ADDRESS, endsAt)) endsAt += 1000
    backOffs.push(endsAt)
  }
  expect(backOffs.slice(0, 4)).toEqual([5000, 6000, 9000, 14_000])
  expect(backOffs.at(-1)).toBe(300_000)
  history.succeeded(ADDRESS, 7)
  expect([history.isBackedOff(ADDRESS, 7), history.lastSuccess(ADDRESS)]).toEqual([false, 7])
  history.failed(ADDRESS, 10)
  expect([history.isBackedOff(ADDRESS, 5009), history.isBackedOff(ADDRESS, 5010)]).toEqual([true, false])
  expect(history.lastSuccess(ADDRESS)).toBeUndefined()
})

test('no more than 4096 addresses are remembered, those heard of last', () => {
  const history = new AddressHistory()
  history.failed('first', 0)
  for (let i = 0; i < 4095; i++) history.failed(`${i}`, 0)
  history.failed('first', 1)
  history.failed('one more', 1)
  expect([history.size, history.isUnknown('first'), history.isUnknown('0')]).toEqual([4096, false, true])
})
