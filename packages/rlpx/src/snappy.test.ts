import { isFault } from '@kumiko/interface'
import { describe, expect, it } from 'vitest'
import { hex, vectors } from '../test/vectors.ts'
import { MESSAGE_SIZE_MAX } from './session.ts'
import { compress, compressInto, uncompress } from './snappy.ts'

interface Case {
  readonly name?: string
  readonly plain?: string
  readonly compressed: string
}
const { snappy } = vectors<{ readonly snappy: readonly Case[] }>('p2p-base')

describe('the published cases', () => {
  it.each(snappy.filter(({ plain }) => plain !== undefined))('$compressed is $plain', ({ compressed, plain }) => {
    expect(Buffer.from(uncompress(hex(compressed), MESSAGE_SIZE_MAX) as Uint8Array).toString('hex')).toBe(plain)
    expect(Buffer.from(compress(hex(plain!))).toString('hex')).toBe(compressed)
  })

  it.each(snappy.filter(({ plain }) => plain === undefined))('$compressed is refused: $name', ({ compressed }) => {
    expect(isFault(uncompress(hex(compressed), MESSAGE_SIZE_MAX))).toBe(true)
  })
})

describe('uncompress', () => {
  it('holds the declared length against the limit before anything else', () => {
    expect(uncompress(hex('8180800800'), MESSAGE_SIZE_MAX)).toEqual({ fault: 'rlpx/message-too-large', detail: '16777217 bytes declared' })
    expect(uncompress(compress(new Uint8Array(101)), 100)).toMatchObject({ fault: 'rlpx/message-too-large' })
    expect(uncompress(compress(new Uint8Array(100)), 100)).toHaveLength(100)
  })

  it('holds the declared length against what so few bytes could become, and so allocates nothing for a bomb', () => {
    const before = process.memoryUsage().arrayBuffers
    const kept: unknown[] = []
    for (let i = 0; i < 20; i++) kept.push(uncompress(hex('ffffff0700'), MESSAGE_SIZE_MAX))
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 20)
    expect(kept).toEqual(Array(20).fill({ fault: 'rlpx/bad-snappy', detail: 'declared length is out of reach' }))
  })

  it('takes every element of the format', () => {
    // A literal, then copies with offsets of 1, 2 and 4 bytes; then a literal whose length is written in 1, 2, 3 and 4 bytes.
    const copies = Uint8Array.of(13, 1 << 2, 97, 98, (0 << 2) | 1, 2, (2 << 2) | 2, 1, 0, (3 << 2) | 3, 2, 0, 0, 0)
    expect(Buffer.from(uncompress(copies, 100) as Uint8Array).toString()).toBe('abababbbbbbbb')
    for (const sizeBytes of [1, 2, 3, 4]) {
      const literal = Uint8Array.of(3, (59 + sizeBytes) << 2, 2, ...new Uint8Array(sizeBytes - 1), 7, 8, 9)
      expect([...(uncompress(literal, 100) as Uint8Array)]).toEqual([7, 8, 9])
    }
  })

  it.each([
    ['nothing', ''],
    ['a length without an end', '80'],
    ['fewer bytes than declared', '0408aabbcc'],
    ['more bytes than declared', '020caabbccdd'],
    ['a literal that is cut', '050caabb'],
    ['a literal whose length is cut', '01f8'],
    ['a copy from before the start', '0500aa0505'],
    ['a copy from offset 0', '0500aa0500'],
    ['a copy that is cut, 1 byte', '0500aa01'],
    ['a copy that is cut, 2 bytes', '0500aa0e01'],
    ['a copy that is cut, 4 bytes', '0500aa0f010000'],
    ['a copy beyond the declared length', '0200aa0501'],
    ['bytes behind the end', '0100aa00bb'],
    ['a literal of 4 GiB', '03fcffffffffaabbcc'],
  ])('refuses %s', (_, text) => {
    expect(uncompress(hex(text), 100)).toMatchObject({ fault: 'rlpx/bad-snappy' })
  })
})

it('writes to the target from where it is told, and tells where it ended', () => {
  const target = new Uint8Array(64).fill(0xee)
  const end = compressInto(Uint8Array.of(1, 2, 3), target, 5)
  expect([...target.subarray(0, end + 1)]).toEqual([0xee, 0xee, 0xee, 0xee, 0xee, 3, 2 << 2, 1, 2, 3, 0xee])
})
