import { decodeRlp, encodeRlp, isRlpList, type RlpItem, rlpUint, toHex } from '@kumiko/identity'

import { expect, test } from 'vitest'
import { hex, vectors } from '../test/vectors.ts'
import { matchCapabilities } from './hello.ts'
import { messagePipe } from './message-pipe.ts'

interface Vectors {
  readonly status: readonly { readonly version: number; readonly rlp: string; readonly fields: Readonly<Record<string, string | number>> }[]
  readonly getBlockHeaders: readonly { readonly rlp: string; readonly fields: Readonly<Record<string, number | boolean>> }[]
  readonly protocolLengths: Readonly<Record<string, number>>
}
const published = vectors<Vectors>('p2p-base')

const text = (item: RlpItem | undefined): string => (item instanceof Uint8Array ? toHex(item) : '')

// What eth says is eth's; that RLPx carries it, byte for byte, is ours.
test.each(published.status)('Status of eth/$version comes through a channel as it was sent', async ({ version, rlp, fields }) => {
  const [near, far] = messagePipe({ name: 'eth', version })
  near.channel.send(0, hex(rlp))
  const message = await far.channel.read()
  const list = decodeRlp(message?.payload ?? new Uint8Array())
  if (!isRlpList(list)) throw new Error('not a list')
  expect(toHex(encodeRlp(list))).toBe(rlp)
  expect([rlpUint(list[0], 4), rlpUint(list[1], 4)]).toEqual([fields.version, fields.networkId])
  expect(list.map(text)).toContain(fields.genesis)
})

test.each(published.getBlockHeaders)('GetBlockHeaders keeps its request id', ({ rlp, fields }) => {
  const list = decodeRlp(hex(rlp))
  if (!isRlpList(list) || !isRlpList(list[1])) throw new Error('not a list')
  const [start, limit, skip, reverse] = list[1].map((item) => rlpUint(item, 4))
  expect({ requestId: rlpUint(list[0], 4), startBlock: start, limit, skip, reverse: reverse === 1 }).toEqual(fields)
})

test.each(['eth/69', 'eth/72'])('the lengths of %s and snap/1 set their offsets', (eth) => {
  const length = (id: string): number => published.protocolLengths[id] ?? Number.NaN
  const ours = [
    { name: 'snap', version: 1, length: length('snap/1') },
    { name: 'eth', version: Number(eth.slice(4)), length: length(eth) },
  ]
  const shared = matchCapabilities(ours, ours)
  expect(shared.map(({ capability, offset }) => [capability.name, offset])).toEqual([
    ['eth', 0x10],
    ['snap', 0x10 + length(eth)],
  ])
})
