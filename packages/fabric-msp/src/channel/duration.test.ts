import { describe, expect, it } from 'vitest'
import { parseDuration } from './duration.ts'

describe('parseDuration', () => {
  it.each([
    ['500ms', 500],
    ['2s', 2000],
    ['1m30s', 90_000],
    ['1.5h', 5_400_000],
    ['.5s', 500],
    ['5.s', 5000],
    ['100µs', 0.1],
    ['-3s', -3000],
    ['+3s', 3000],
    ['0', 0],
    ['', undefined],
    ['3', undefined],
    ['s', undefined],
    ['3 s', undefined],
    ['1s-1s', undefined],
    ['3d', undefined],
    ['9999999h', undefined],
  ])('reads %j as %s ms', (text, expected) => expect(parseDuration(text)).toBe(expected))
})
