import { encodeRlp } from '@kumiko/identity'
import { describe, expect, it } from 'vitest'
import { decodeMessage, encodeMessage, type Message } from './message.ts'

const requestId = Uint8Array.of(0, 1, 2)
const record = encodeRlp([new Uint8Array(64), 1, new Uint8Array(200)])

const messages: readonly Message[] = [
  { requestId, body: { type: 'ping', enrSeq: 2n ** 64n - 1n } },
  { requestId: new Uint8Array(0), body: { type: 'pong', enrSeq: 0n, ip: '192.0.2.1', port: 30303 } },
  { requestId, body: { type: 'pong', enrSeq: 1n, ip: '2001:db8::1', port: 65535 } },
  { requestId, body: { type: 'findnode', distances: [0, 256, 255] } },
  { requestId, body: { type: 'findnode', distances: [] } },
  { requestId, body: { type: 'nodes', total: 1, records: [] } },
  { requestId, body: { type: 'nodes', total: 5, records: [record, record, record] } },
  { requestId, body: { type: 'talkreq', protocol: new TextEncoder().encode('echo'), message: new Uint8Array(1000) } },
  { requestId, body: { type: 'talkresp', message: new Uint8Array(0) } },
]

function messageOf(type: number, fields: Parameters<typeof encodeRlp>[0]): Uint8Array {
  return Buffer.concat([Uint8Array.of(type), encodeRlp(fields)])
}

describe('a message', () => {
  it.each(messages)('is read as it was written: $body.type', (message) => {
    expect(decodeMessage(encodeMessage(message))).toEqual(message)
  })

  it('may have elements that came with a later version', () => {
    expect(decodeMessage(messageOf(1, [requestId, 3, [1, 2]]))).toEqual({ requestId, body: { type: 'ping', enrSeq: 3n } })
  })

  it('tells of an IPv4-mapped address as IPv4', () => {
    const ip = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1)
    expect(decodeMessage(messageOf(2, [requestId, 3, ip, 9000]))).toEqual({
      requestId,
      body: { type: 'pong', enrSeq: 3n, ip: '127.0.0.1', port: 9000 },
    })
  })

  it('leaves out distances that there are not, and repeated ones', () => {
    expect(decodeMessage(messageOf(3, [requestId, [1, 257, 1, 2 ** 40]]))).toEqual({
      requestId,
      body: { type: 'findnode', distances: [1] },
    })
  })

  it.each([
    ['no bytes', new Uint8Array(0)],
    ['an unknown type', messageOf(9, [requestId])],
    ['no list', Uint8Array.of(1, 0x80)],
    ['no request id', messageOf(1, [])],
    ['a list as request id', messageOf(1, [[], 1])],
    ['a sequence number of nine bytes', messageOf(1, [requestId, 2n ** 64n])],
    ['an address of five bytes', messageOf(2, [requestId, 1, new Uint8Array(5), 1])],
    ['a port beyond 65535', messageOf(2, [requestId, 1, new Uint8Array(4), 65536])],
    ['distances that are no list', messageOf(3, [requestId, 5])],
    ['a total of two bytes', messageOf(4, [requestId, 256, []])],
    ['a talk protocol that is a list', messageOf(5, [requestId, [], new Uint8Array(1)])],
    ['bytes behind the list', Buffer.concat([messageOf(1, [requestId, 1]), Uint8Array.of(0)])],
  ])('is refused: %s', (_, bytes) => {
    expect(decodeMessage(bytes)).toMatchObject({ fault: expect.stringMatching(/^discv5\/(bad|unknown)-message$/) })
  })
})
