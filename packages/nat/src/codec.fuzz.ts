import { isFault } from '@kumiko/interface'
import { cpuTimed } from '@kumiko/testkit'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeSearchAnswer, encodeCall, readAnswer, readDescription, textOf } from './igd.ts'
import { decodePcp, encodePcpMap, NONCE_BYTES } from './pcp.ts'
import { decodePmp, encodePmpMapRequest } from './pmp.ts'
import { decodeStun, encodeStunRequest, TRANSACTION_BYTES } from './stun.ts'
import { defaultGateways } from './surroundings.ts'

const port = fc.integer({ min: 0, max: 65_535 })
const seconds = fc.integer({ min: 0, max: 0xffff_ffff })
const protocol = fc.constantFrom('tcp' as const, 'udp' as const)
const ip4 = fc.ipV4()
const nonce = fc.uint8Array({ minLength: NONCE_BYTES, maxLength: NONCE_BYTES })
const transaction = fc.uint8Array({ minLength: TRANSACTION_BYTES, maxLength: TRANSACTION_BYTES })
/** Any bytes, and those that pass the first checks. */
const packet = fc.oneof(
  fc.uint8Array({ maxLength: 1200 }),
  fc
    .tuple(
      fc.constantFrom([0, 128], [0, 129], [0, 130], [2, 128], [2, 129], [1, 1]),
      fc.constantFrom(0, 1, 3),
      fc.uint8Array({ maxLength: 200 }),
    )
    .map(([head, result, rest]) => Uint8Array.from([...head, 0, result, ...rest])),
)

test('any bytes are an answer or a fault, and are left as they were', () => {
  fc.assert(
    fc.property(packet, transaction, (bytes, id) => {
      const before = bytes.slice()
      for (const decode of [
        decodePmp,
        decodePcp,
        (all: Uint8Array) => decodeStun(all, id),
        (all: Uint8Array) => decodeSearchAnswer(all, '10.0.0.1'),
      ]) {
        const answer = decode(bytes)
        if (isFault(answer)) expect(answer.fault).toMatch(/^nat\/(bad-packet|refused|unsupported-version)$/)
        else expect(answer).toBeTypeOf('object')
      }
      expect(bytes).toEqual(before)
    }),
    { numRuns: 2000 },
  )
})

test('a packet that is a view into a larger buffer is read as its own bytes', () => {
  fc.assert(
    fc.property(packet, fc.nat({ max: 8 }), transaction, (bytes, offset, id) => {
      const large = new Uint8Array(bytes.length + offset + 4).fill(0xff)
      large.set(bytes, offset)
      const view = large.subarray(offset, offset + bytes.length)
      expect([decodePmp(view), decodePcp(view), decodeStun(view, id)]).toEqual([decodePmp(bytes), decodePcp(bytes), decodeStun(bytes, id)])
    }),
  )
})

test('a NAT-PMP mapping comes back as it was asked for', () => {
  fc.assert(
    fc.property(protocol, port, port, seconds, (about, internalPort, externalPort, lifetimeS) => {
      const request = encodePmpMapRequest(about, internalPort, externalPort, lifetimeS)
      const answer = Uint8Array.from([0, 128 + (request[1] ?? 0), 0, 0, 0, 0, 0, 1, ...request.subarray(4)])
      expect(decodePmp(answer)).toEqual({ about, internalPort, externalPort, lifetimeS })
    }),
  )
})

test('a PCP mapping comes back as it was asked for', () => {
  fc.assert(
    fc.property(fc.record({ clientIp: ip4, nonce, protocol, internalPort: port, externalPort: port, lifetimeS: seconds }), (request) => {
      const answer = encodePcpMap(request)
      answer[1] = (answer[1] ?? 0) | 0x80
      const { internalPort, externalPort, lifetimeS } = request
      expect(decodePcp(answer)).toEqual({
        about: 'map',
        nonce: request.nonce,
        internalPort,
        externalPort,
        lifetimeS,
        externalIp: '0.0.0.0',
      })
    }),
  )
})

test('a STUN address comes through its mask, behind any attributes', () => {
  const attribute = fc.tuple(fc.integer({ min: 0x8000, max: 0xffff }), fc.uint8Array({ maxLength: 40 }))
  fc.assert(
    fc.property(transaction, ip4, fc.integer({ min: 1, max: 65_535 }), fc.array(attribute, { maxLength: 5 }), (id, ip, at, others) => {
      const mask = encodeStunRequest(id).subarray(4)
      const plain = [0, 1, at >> 8, at & 0xff, ...ip.split('.').map(Number)]
      const value = plain.map((byte, i) => (i < 2 ? byte : byte ^ (mask[i < 4 ? i - 2 : i - 4] ?? 0)))
      const body = [...others, [0x0020, Uint8Array.from(value)] as const].flatMap(([type, bytes]) => [
        type >> 8,
        type & 0xff,
        0,
        bytes.length,
        ...bytes,
        ...new Uint8Array((4 - (bytes.length % 4)) % 4),
      ])
      const answer = Uint8Array.from([1, 1, body.length >> 8, body.length & 0xff, ...mask, ...body])
      expect(decodeStun(answer, id)).toEqual({ ip, port: at })
    }),
  )
})

test('any text is XML enough to be read, in time that its length bounds', () => {
  const markup = fc.array(
    fc.constantFrom('<', '>', '/', '</service>', '<service>', '<serviceType>', 'a:', ' ', 'x', '&amp;', '<service/>'),
    { maxLength: 300 },
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        markup.map((parts) => parts.join('')),
      ),
      (xml) => {
        const services = readDescription(xml, new URL('http://10.0.0.1/'))
        expect(isFault(services) || services.length > 0).toBe(true)
        expect(['string', 'object']).toContain(typeof readAnswer(xml, 200, 'service'))
        expect(['string', 'undefined']).toContain(typeof textOf(xml, 'service'))
      },
    ),
    { numRuns: 500 },
  )
  const { cpuMs } = cpuTimed(() => {
    for (const part of ['<', '<service>', '<service', '</service>', '<service/>', '>'])
      textOf(part.repeat(Math.ceil(262_144 / part.length)), 'service')
  })
  expect(cpuMs).toBeLessThan(2000)
})

test('an argument of a call is read as it was written', () => {
  fc.assert(
    fc.property(fc.string(), (value) => {
      expect(textOf(encodeCall('urn:x', 'Do', { NewValue: value }), 'NewValue')).toBe(value.trim())
    }),
  )
})

test('any routing table is read', () => {
  fc.assert(fc.property(fc.string(), (table) => void expect(defaultGateways(table)).toBeInstanceOf(Array)))
})
