import { encodeRlp } from '@kumiko/identity'
import { expect, test } from 'vitest'
import { decodeHello } from './hello.ts'

const publicKey = new Uint8Array(64).fill(1)
const named = (name: string): [Uint8Array, number] => [Buffer.from(name), 1]

test('a capability whose name is too long to be one is passed over, and so are further fields', () => {
  const data = encodeRlp([5, Buffer.from('them'), [named('eth'), named('elevenchars')], 30303, publicKey, [1, 2], 3])
  expect(decodeHello(data)).toEqual({
    version: 5,
    clientId: 'them',
    capabilities: [{ name: 'eth', version: 1 }],
    listenPort: 30303,
    publicKey,
  })
})

test('a capability that is no pair of name and version is a fault', () => {
  const data = encodeRlp([5, Buffer.from('them'), [named('eth'), [Buffer.from('les')]], 0, publicKey])
  expect(decodeHello(data)).toMatchObject({ fault: 'rlpx/bad-hello' })
})
