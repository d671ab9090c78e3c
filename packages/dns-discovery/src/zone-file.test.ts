import { expect, test } from 'vitest'
import { formatZoneFile } from './zone-file.ts'

test('names are below the origin, and texts in strings of 255 characters', () => {
  const zone = new Map([
    ['nodes.test', 'enrtree-root:v1 e=A l=B seq=1 sig=C'],
    ['HASH.nodes.test', `enr:${'x'.repeat(300)}`],
  ])
  expect(formatZoneFile(zone).split('\n')).toEqual([
    '$ORIGIN nodes.test.',
    '@ 1800 IN TXT "enrtree-root:v1 e=A l=B seq=1 sig=C"',
    `HASH 2419200 IN TXT "enr:${'x'.repeat(251)}" "${'x'.repeat(49)}"`,
    '',
  ])
})
