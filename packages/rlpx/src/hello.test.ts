import { encodeRlp, type RlpInput } from '@kumiko/identity'
import { type Capability, type CapabilityId, isFault } from '@kumiko/interface'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { vectors } from '../test/vectors.ts'
import { BASE_CODES, decodeHello, encodeHello, type Hello, matchCapabilities } from './hello.ts'

interface Vectors {
  readonly matchProtocols: readonly {
    readonly remote: readonly (readonly [string, number])[]
    readonly local: readonly (readonly [string, number, number])[]
    readonly match: Readonly<Record<string, { readonly version: number; readonly offset: number }>>
  }[]
}

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

test.each(['', '\u001b[2J', 'a b', 'é', '\u009b2J'])('a capability named %j is passed over: it is not for a terminal', (name) => {
  const data = encodeRlp([5, Buffer.from('them'), [[Buffer.from(name, 'latin1'), 1], named('eth')], 30303, publicKey])
  expect(decodeHello(data)).toMatchObject({ capabilities: [{ name: 'eth', version: 1 }] })
})

test('a capability that is no pair of name and version is a fault', () => {
  const data = encodeRlp([5, Buffer.from('them'), [named('eth'), [Buffer.from('les')]], 0, publicKey])
  expect(decodeHello(data)).toMatchObject({ fault: 'rlpx/bad-hello' })
})

describe('matchCapabilities', () => {
  it.each(vectors<Vectors>('p2p-base').matchProtocols.map((one, i) => ({ i, ...one })))('published case $i', ({ local, match, remote }) => {
    const ours = local.map(([name, version, length]): Capability => ({ name, version, length }))
    const theirs = remote.map(([name, version]): CapabilityId => ({ name, version }))
    const shared = matchCapabilities(ours, theirs).map(
      ({ capability: { name, version }, offset }) => [name, { version, offset: offset - BASE_CODES }] as const,
    )
    expect(Object.fromEntries(shared)).toEqual(match)
    expect(shared.length).toBe(Object.keys(match).length)
  })

  it('gives both sides the same offsets, without gap or overlap, in the order of names', () => {
    const capability = fc.record({
      name: fc.constantFrom('a', 'aa', 'b', 'B', 'eth', 'snap', '~'),
      version: fc.nat(3),
      length: fc.constant(0),
    })
    const list = fc
      .array(capability, { maxLength: 12 })
      .map((all) => all.map((one) => ({ ...one, length: 1 + one.version + one.name.length })))
    fc.assert(
      fc.property(list, list, (ours, theirs) => {
        const shared = matchCapabilities(ours, theirs)
        expect(matchCapabilities(theirs, ours)).toEqual(shared)
        let offset = BASE_CODES
        for (const { capability, offset: at } of shared) {
          expect(at).toBe(offset)
          offset += capability.length
        }
        const names = shared.map(({ capability: { name } }) => Buffer.from(name))
        expect(names).toEqual([...names].sort(Buffer.compare))
      }),
    )
  })
})

describe('decodeHello', () => {
  it('reads what encodeHello writes', () => {
    const hello: fc.Arbitrary<Hello> = fc.record({
      version: fc.nat(1000),
      clientId: fc.stringMatching(/^[ -~é]{0,100}$/),
      capabilities: fc.array(fc.record({ name: fc.stringMatching(/^[a-z0-9]{1,8}$/), version: fc.nat(300) }), { maxLength: 5 }),
      listenPort: fc.nat(65_535),
      publicKey: fc.uint8Array({ minLength: 64, maxLength: 64 }).filter((key) => key.some((byte) => byte !== 0)),
    })
    fc.assert(
      fc.property(hello, (value) => {
        expect(decodeHello(encodeHello(value))).toEqual(value)
      }),
    )
  })

  it('takes any bytes and any RLP, and gives a Hello or a fault', () => {
    const { item } = fc.letrec<{ item: RlpInput }>((tie) => ({
      item: fc.oneof(
        { maxDepth: 4, depthSize: 'small' },
        fc.uint8Array({ maxLength: 9 }),
        fc.nat(),
        fc.constant(publicKey),
        fc.array(tie('item'), { maxLength: 6 }),
      ),
    }))
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), item.map(encodeRlp)), (data) => {
        const hello = decodeHello(data)
        if (!isFault(hello)) expect(hello.publicKey.length).toBe(64)
      }),
      { numRuns: 500 },
    )
  })

  it.each([0, 1, 63, 65, 128, 2000])('refuses a key of %i bytes, as it does one of zeros', (length) => {
    for (const key of [new Uint8Array(length).fill(1), new Uint8Array(64)]) {
      expect(decodeHello(encodeRlp([5, Buffer.from('them'), [named('eth')], 0, key]))).toEqual({ fault: 'rlpx/null-identity' })
    }
  })

  it('lets no control characters and no more than 256 characters of a name through', () => {
    const hello = decodeHello(encodeRlp([5, Buffer.from(`a\u001b[2J\n\u202eb${'x'.repeat(500)}`), [], 0, publicKey]))
    if (isFault(hello)) throw new Error(hello.fault)
    expect(hello.clientId).toHaveLength(256)
    expect(hello.clientId.startsWith('a?[2J??bxx')).toBe(true)
  })
})
