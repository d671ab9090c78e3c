import { expect, test } from 'vitest'
import { printable } from './printable.ts'

test('shows what steers a terminal or turns text around, and leaves the rest', () => {
  expect(printable('\u001b[2J\u202eabc\tü')).toBe('\\x1b[2J\\u202eabc\tü')
  expect(printable('a\r\nb\u0000\u007f\u009b\u2028')).toBe('a\\x0d\\x0ab\\x00\\x7f\\x9b\\u2028')
})
