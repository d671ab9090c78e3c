import { describe, expect, test } from 'vitest'
import { encodeToken, Initiator, MULTISTREAM, Responder, TOKEN_SIZE_MAX, TOKENS_MAX } from './negotiation.ts'

const [header, na] = [encodeToken(MULTISTREAM), encodeToken('na')]
const bytes = (...parts: Uint8Array[]): Uint8Array => Buffer.concat(parts)
const nothing = Buffer.alloc(0)

test('a token is its length, its text and a newline', () => {
  expect(encodeToken('/a')).toEqual(Buffer.from([3, 0x2f, 0x61, 0x0a]))
  expect(encodeToken('/'.padEnd(200, 'x')).subarray(0, 3)).toEqual(Buffer.from([0xc9, 0x01, 0x2f]))
})

describe('who asks', () => {
  test('says the header and the first protocol at once, and is given what came behind the answer', () => {
    const initiator = new Initiator(['/a'])
    expect(initiator.start()).toEqual(bytes(header, encodeToken('/a')))
    expect(initiator.receive(bytes(header, encodeToken('/a'), Buffer.from('data')))).toEqual({
      do: 'settle',
      protocol: '/a',
      rest: Buffer.from('data'),
    })
  })

  test('asks for the next protocol, and gives up after the last', () => {
    const initiator = new Initiator(['/a', '/b', '/c'])
    expect(initiator.receive(bytes(header, na))).toEqual({ do: 'wait', send: encodeToken('/b') })
    expect(initiator.receive(na)).toEqual({ do: 'wait', send: encodeToken('/c') })
    expect(initiator.receive(na)).toEqual({ do: 'refuse' })
  })

  test.each([
    ['a protocol before the header', encodeToken('/a')],
    ['a protocol that was not asked for', bytes(header, encodeToken('/b'))],
    ['the header again', bytes(header, header)],
  ])('does not take %s', (_, received) => {
    expect(new Initiator(['/a', '/c']).receive(received)).toMatchObject({ fault: 'host/bad-negotiation' })
  })
})

describe('who answers', () => {
  test('answers all that came at once by one write', () => {
    expect(new Responder(['/a', '/b']).receive(bytes(header, encodeToken('/x'), encodeToken('/b'), Buffer.from('data')))).toEqual({
      do: 'settle',
      protocol: '/b',
      send: bytes(header, na, encodeToken('/b')),
      rest: Buffer.from('data'),
    })
  })

  test('answers the header at once: some wait for it before they ask', () => {
    const responder = new Responder(['/a'])
    expect(responder.receive(header)).toEqual({ do: 'wait', send: header })
    expect(responder.receive(encodeToken('/a'))).toEqual({ do: 'settle', protocol: '/a', send: encodeToken('/a'), rest: nothing })
  })

  test('lists what it serves', () => {
    const list = bytes(encodeToken('/a'), encodeToken('/b'), Buffer.from('\n'))
    const responder = new Responder(['/a', '/b'])
    expect(responder.receive(bytes(header, encodeToken('ls')))).toEqual({
      do: 'wait',
      send: bytes(header, Buffer.from([list.length]), list),
    })
  })

  test.each([
    ['a length of more than two bytes', Uint8Array.of(0xff, 0xff, 0x01)],
    ['a token that is too long', Uint8Array.of(((TOKEN_SIZE_MAX + 1) & 0x7f) | 0x80, (TOKEN_SIZE_MAX + 1) >> 7)],
    ['an empty token', Uint8Array.of(0)],
    ['a token without a newline', Uint8Array.of(2, 0x2f, 0x61)],
    ['a protocol before the header', encodeToken('/a')],
    ['no end of questions', bytes(header, ...Array.from({ length: TOKENS_MAX }, () => na))],
  ])('does not take %s', (_, received) => {
    expect(new Responder(['/a']).receive(received)).toMatchObject({ fault: 'host/bad-negotiation' })
  })

  test('the longest token is taken', () => {
    const longest = '/'.padEnd(TOKEN_SIZE_MAX - 1, 'x')
    expect(new Responder([longest]).receive(bytes(header, encodeToken(longest)))).toMatchObject({ do: 'settle', protocol: longest })
  })
})
