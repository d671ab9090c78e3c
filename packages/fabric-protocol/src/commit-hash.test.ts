import { expect, it } from 'vitest'
import { commitHash, type NamespaceUpdates, updateBytes, versionBytes } from './commit-hash.ts'
import { sha256 } from './hash.ts'

const version = (blockNumber: bigint, transactionNumber: bigint) => ({ blockNumber, transactionNumber })
const text = (value: string): Uint8Array => new TextEncoder().encode(value)

it('updates are ordered by bytes, and name each namespace and collection once', () => {
  const updates: NamespaceUpdates[] = [
    { namespace: '', updates: [{ key: 'CHANNEL_CONFIG_ENV_BYTES', value: text('x'), version: version(1n, 0n) }], collections: [] },
    {
      namespace: 'b',
      updates: [],
      collections: [
        { collection: 'z', updates: [{ key: Uint8Array.of(2), value: undefined, version: version(1n, 2n) }] },
        {
          collection: 'y',
          updates: [
            { key: Uint8Array.of(0xff), value: text('2'), version: version(0n, 0n) },
            { key: Uint8Array.of(0x7f), value: text('1'), version: version(256n, 1n) },
          ],
        },
      ],
    },
    {
      namespace: 'a',
      updates: ['\u{10000}', '\uffff'].map((key) => ({ key, value: text('v'), version: version(1n, 0n) })),
      collections: [],
    },
  ]
  const entries = [
    // namespace 'a', key U+FFFF, value 'v', version; then U+10000 without the name
    '0a0161' + '1a03efbfbf' + '2a0176' + '3203010100',
    '1a04f0908080' + '2a0176' + '3203010100',
    '0a0162' + '120179' + '1a017f' + '2a0131' + '32050201000101',
    '1a01ff' + '2a0132' + '32020000',
    '12017a' + '1a0102' + '2001' + '320401010102',
  ]
  const expected = entries.map((entry) => `0a${(entry.length / 2).toString(16).padStart(2, '0')}${entry}`).join('')
  expect(Buffer.from(updateBytes(updates)).toString('hex')).toBe(expected)
  expect(updateBytes([])).toEqual(new Uint8Array())
})

it('hashes the count of codes, the codes, the updates and the hash before', () => {
  const first = commitHash(new Uint8Array(200), text('updates'), undefined)
  expect(first).toEqual(sha256(Uint8Array.of(0xc8, 1), new Uint8Array(200), text('updates')))
  expect(commitHash(Uint8Array.of(0, 11), new Uint8Array(), first)).toEqual(sha256(Uint8Array.of(2, 0, 11), first))
})

it('versions order as bytes', () => {
  expect(versionBytes(version(300n, 0n))).toEqual(Uint8Array.of(2, 1, 44, 0))
})
