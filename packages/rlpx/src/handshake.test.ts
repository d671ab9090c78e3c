import { type Curve, curve, decodeRlpPrefix, encodeRlp, keccak256, nativeCurve, portableCurve, type RlpItem } from '@kumiko/identity'
import { type Fault, isFault, type RandomBytes } from '@kumiko/interface'
import { seeded } from '@kumiko/testkit'
import { describe, expect, it } from 'vitest'
import { testNode } from '../test/node.ts'
import { hex, vectors } from '../test/vectors.ts'
import { ECIES_OVERHEAD_BYTES, eciesDecrypt, eciesEncrypt } from './ecies.ts'
import { deriveSecrets, HANDSHAKE_SIZE_MAX, type HandshakeDone, type HandshakeOptions, Initiator, Recipient } from './handshake.ts'
import { decodeHello } from './hello.ts'
import { FrameMac, macKey } from './mac.ts'

interface Message {
  readonly name: string
  readonly format: string
  readonly version?: number
  readonly extraListElements?: readonly string[]
  readonly hex: string
}
interface Vectors {
  readonly inputs: Readonly<Record<string, string>>
  readonly auth: readonly Message[]
  readonly ack: readonly Message[]
  readonly derived: { readonly aesSecret: string; readonly macSecret: string; readonly ingressMacAfterUpdateFoo: string }
  readonly hello: {
    readonly hex: string
    readonly want: { readonly version: number; readonly caps: [string, number][]; readonly clientId: string; readonly listenPort: number }
  }
  readonly badHandshake: readonly { readonly name: string }[]
}
const eip8 = vectors<Vectors>('rlpx-eip8')
const input = (name: string): Uint8Array => hex(eip8.inputs[name]!)
const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('hex')
const backends: Curve[] = nativeCurve === undefined ? [portableCurve] : [portableCurve, nativeCurve]

/** The node of a vector, whose first two draws of 32 bytes are its ephemeral key and its nonce. */
function vectorNode(side: 'A' | 'B', backend: Curve = curve): HandshakeOptions {
  const draws = [input(`ephemeralKey${side}`), input(`nonce${side}`)]
  const { bytes } = seeded(8)
  const randomBytes: RandomBytes = (length) => (length === 32 ? draws.shift() : undefined) ?? bytes(length)
  return { curve: backend, randomBytes, secretKey: input(`staticKey${side}`), publicKey: input(`pub${side}`) }
}

function done(result: HandshakeDone | Fault | undefined): HandshakeDone {
  if (result === undefined || isFault(result)) throw new Error(`no handshake: ${result?.fault}`)
  return result
}

/** What an EIP-8 message holds, decrypted. */
function fieldsOf(message: Uint8Array, secretKey: Uint8Array): RlpItem[] {
  const body = eciesDecrypt(curve, secretKey, message.subarray(2), message.subarray(0, 2))
  return [...(decodeRlpPrefix(body!) as readonly RlpItem[])]
}

const isPlain = ({ format }: Message): boolean => format.startsWith('pre-EIP-8')

describe('EIP-8 vectors', () => {
  it.each(eip8.auth.filter((message) => !isPlain(message)))('$name holds what it should', (message) => {
    expect(fieldsOf(hex(message.hex), input('staticKeyB'))).toEqual([
      input('authSignature'),
      input('pubA'),
      input('nonceA'),
      Uint8Array.of(message.version!),
      ...message.extraListElements!.map((extra) => decodeRlpPrefix(hex(extra))),
    ])
  })

  it.each(eip8.ack.filter((message) => !isPlain(message)))('$name holds what it should', (message) => {
    expect(fieldsOf(hex(message.hex), input('staticKeyA'))).toEqual([
      input('ephPubB'),
      input('nonceB'),
      Uint8Array.of(message.version!),
      ...message.extraListElements!.map((extra) => decodeRlpPrefix(hex(extra))),
    ])
  })

  it('the plain forms hold what they should', () => {
    const [auth, ack] = [eip8.auth.find(isPlain)!, eip8.ack.find(isPlain)!].map((message) => hex(message.hex))
    expect(text(eciesDecrypt(curve, input('staticKeyB'), auth!))).toBe(
      [eip8.inputs.authSignature, text(keccak256(input('ephPubA'))), eip8.inputs.pubA, eip8.inputs.nonceA, '00'].join(''),
    )
    expect(text(eciesDecrypt(curve, input('staticKeyA'), ack!))).toBe([eip8.inputs.ephPubB, eip8.inputs.nonceB, '00'].join(''))
  })

  for (const backend of backends) {
    it.each(eip8.auth)(`$name is taken by a recipient with the ${backend.name} curve`, (message) => {
      const { remotePublicKey, reply, rest, secrets } = done(new Recipient(vectorNode('B', backend)).receive(hex(message.hex)))
      expect([text(remotePublicKey), text(rest)]).toEqual([eip8.inputs.pubA, ''])
      expect([text(secrets.aes), text(secrets.mac)]).toEqual([eip8.derived.aesSecret, eip8.derived.macSecret])
      // The reply is in the form of what was received, and an initiator with the same keys derives the same.
      expect(reply!.length === 210).toBe(isPlain(message))
      const initiator = done(new Initiator(vectorNode('A', backend), input('pubB')).receive(reply!))
      expect([text(initiator.secrets.aes), text(initiator.secrets.mac)]).toEqual([eip8.derived.aesSecret, eip8.derived.macSecret])
    })

    it.each(eip8.ack)(`$name is taken by an initiator with the ${backend.name} curve`, (message) => {
      const initiator = new Initiator(vectorNode('A', backend), input('pubB'))
      const { remotePublicKey, reply, secrets } = done(initiator.receive(hex(message.hex)))
      expect([text(remotePublicKey), reply]).toEqual([eip8.inputs.pubB, undefined])
      expect([text(secrets.aes), text(secrets.mac)]).toEqual([eip8.derived.aesSecret, eip8.derived.macSecret])
    })

    it(`auth is signed as the published one is, with the ${backend.name} curve`, () => {
      // Signatures may be salted, and the published one is: what tells is whose key they recover, here the ephemeral one of A.
      const { auth } = new Initiator(vectorNode('A', backend), input('pubB'))
      const [signature, ...rest] = fieldsOf(auth, input('staticKeyB'))
      expect(rest).toEqual([input('pubA'), input('nonceA'), Uint8Array.of(4)])
      const shared = backend.ecdh(input('staticKeyA'), input('pubB'))!
      const signed = shared.map((byte, i) => byte ^ input('nonceA')[i]!)
      for (const one of [signature as Uint8Array, input('authSignature')]) {
        expect(text(backend.recover(signed, one))).toBe(eip8.inputs.ephPubA)
      }
    })
  }

  it('Auth2 and Ack2 give the published secrets and ingress MAC', () => {
    const [auth2, ack2] = [eip8.auth, eip8.ack].map((all) => hex(all.find(({ name }) => name.endsWith('2'))!.hex))
    const secrets = deriveSecrets(
      {
        curve,
        ephemeral: input('ephemeralKeyB'),
        nonce: input('nonceB'),
        remoteEphemeral: input('ephPubA'),
        remoteNonce: input('nonceA'),
        sent: ack2!,
        received: auth2!,
      },
      'recipient',
    )!
    expect([text(secrets.aes), text(secrets.mac)]).toEqual([eip8.derived.aesSecret, eip8.derived.macSecret])
    const foo = Buffer.from('foo')
    expect(text(keccak256(...secrets.ingress, foo))).toBe(eip8.derived.ingressMacAfterUpdateFoo)
    expect(text(new FrameMac(macKey(secrets.mac), ...secrets.ingress, foo).sum)).toBe(eip8.derived.ingressMacAfterUpdateFoo.slice(0, 32))
    const other = deriveSecrets(
      {
        curve,
        ephemeral: input('ephemeralKeyA'),
        nonce: input('nonceA'),
        remoteEphemeral: input('ephPubB'),
        remoteNonce: input('nonceB'),
        sent: auth2!,
        received: ack2!,
      },
      'initiator',
    )
    expect(other).toEqual({ ...secrets, egress: secrets.ingress, ingress: secrets.egress })
  })

  it('the Hello with a version of its own and items behind the known ones is read', () => {
    const { caps, clientId, listenPort, version } = eip8.hello.want
    expect(decodeHello(hex(eip8.hello.hex))).toEqual({
      version,
      clientId,
      listenPort,
      capabilities: caps.map(([name, version]) => ({ name, version })),
      publicKey: input('pubA'),
    })
  })

  describe('bad handshakes', () => {
    const auth2 = hex(eip8.auth[1]!.hex)
    const cases: Readonly<Record<string, () => void>> = {
      'invalid-curve point': () => {
        const auth = auth2.slice().fill(0, 3, 67)
        expect(new Recipient(vectorNode('B')).receive(auth)).toEqual({ fault: 'rlpx/bad-auth' })
        const ack = hex(eip8.ack[1]!.hex).fill(0, 3, 67)
        expect(new Initiator(vectorNode('A'), input('pubB')).receive(ack)).toEqual({ fault: 'rlpx/bad-ack' })
      },
      'size prefix > 2048': () => {
        for (const prefix of ['0801', '0900', 'ffff']) {
          expect(new Recipient(vectorNode('B')).receive(hex(prefix))).toEqual({ fault: 'rlpx/handshake-too-large' })
          expect(new Initiator(vectorNode('A'), input('pubB')).receive(hex(prefix))).toEqual({ fault: 'rlpx/handshake-too-large' })
        }
        expect(new Recipient(vectorNode('B')).receive(hex('0800'))).toBeUndefined()
      },
      'bad tag': () => {
        for (let at = 0; at < auth2.length; at += 7) expectRefused(auth2, at)
        for (let at = auth2.length - 32; at < auth2.length; at++) expectRefused(auth2, at)
        for (const at of [0, 1]) expectRefused(auth2, at)
      },
      'auth-vsn mismatch': () => {
        for (const { version } of [eip8.auth[1]!, eip8.auth[2]!]) expect([4, 56]).toContain(version)
        expect(done(new Recipient(vectorNode('B')).receive(hex(eip8.auth[2]!.hex))).remotePublicKey).toEqual(input('pubA'))
        expect(done(new Initiator(vectorNode('A'), input('pubB')).receive(hex(eip8.ack[2]!.hex))).remotePublicKey).toEqual(input('pubB'))
      },
    }

    it.each(eip8.badHandshake)('$name', ({ name }) => cases[name]!())
  })
})

/** A changed byte is refused at once, or more bytes are awaited where it makes the size larger, and then refused. */
function expectRefused(message: Uint8Array, at: number): void {
  const changed = message.slice()
  changed[at]! ^= 1
  const recipient = new Recipient(vectorNode('B'))
  const result = recipient.receive(changed) ?? recipient.receive(new Uint8Array(HANDSHAKE_SIZE_MAX))
  expect(result).toMatchObject({ fault: 'rlpx/bad-auth' })
}

describe('a handshake', () => {
  const [a, b] = [testNode(1), testNode(2)]

  it('gives both sides the same, whatever the chunks, and hands on what came behind it', () => {
    for (const size of [1, 100, 100_000]) {
      const initiator = new Initiator(a, b.publicKey)
      const recipient = new Recipient(b)
      const behind = Uint8Array.of(1, 2, 3)
      const atRecipient = done(feed(recipient, initiator.auth, size))
      const atInitiator = done(feed(initiator, Buffer.concat([atRecipient.reply!, behind]), size))
      expect(atInitiator.secrets.aes).toEqual(atRecipient.secrets.aes)
      expect(atInitiator.secrets.mac).toEqual(atRecipient.secrets.mac)
      expect(atInitiator.secrets.egress.map(text)).toEqual(atRecipient.secrets.ingress.map(text))
      expect(atInitiator.secrets.ingress.map(text)).toEqual(atRecipient.secrets.egress.map(text))
      expect([atInitiator.remotePublicKey, atRecipient.remotePublicKey]).toEqual([b.publicKey, a.publicKey])
      expect(text(atInitiator.rest)).toBe(size === 1 ? '' : '010203')
    }
  })

  it('pads auth and ack by amounts that vary, beyond the size of the plain form', () => {
    const sizes = Array.from({ length: 30 }, () => new Initiator(a, b.publicKey).auth.length)
    expect(new Set(sizes).size).toBeGreaterThan(10)
    expect(Math.min(...sizes)).toBeGreaterThan(307)
    expect(Math.max(...sizes)).toBeLessThan(2 + HANDSHAKE_SIZE_MAX)
  })

  it('with somebody else than was meant is refused', () => {
    const { auth } = new Initiator(a, b.publicKey)
    expect(new Recipient(testNode(3)).receive(auth)).toEqual({ fault: 'rlpx/bad-auth' })
    const initiator = new Initiator(a, b.publicKey)
    const reply = done(new Recipient(b).receive(new Initiator(testNode(4), b.publicKey).auth)).reply!
    expect(initiator.receive(reply)).toEqual({ fault: 'rlpx/bad-ack' })
  })

  it('is refused where fields are missing, have other lengths, or hold no key', () => {
    const signature = curve.sign(keccak256(a.publicKey), a.secretKey)
    const nonce = a.randomBytes(32)
    const bodies = [
      [],
      [signature, a.publicKey],
      [signature.subarray(1), a.publicKey, nonce],
      [signature, a.publicKey.subarray(1), nonce],
      [signature, a.publicKey, nonce.subarray(1)],
      [signature, new Uint8Array(64), nonce],
      [signature, new Uint8Array(64).fill(0xff), nonce],
      [new Uint8Array(65), a.publicKey, nonce],
      [new Uint8Array(65).fill(0xff), a.publicKey, nonce],
    ]
    for (const body of bodies) expect(new Recipient(b).receive(sealed(body, b.publicKey))).toEqual({ fault: 'rlpx/bad-auth' })
    for (const body of [[], [a.publicKey], [new Uint8Array(64), nonce], [a.publicKey, nonce.subarray(1)]]) {
      expect(new Initiator(a, b.publicKey).receive(sealed(body, a.publicKey))).toEqual({ fault: 'rlpx/bad-ack' })
    }
  })

  it('is refused where the message is no list, or too short to hold one', () => {
    for (const body of [hex('80'), hex(''), hex('ff')])
      expect(new Recipient(b).receive(sealedBytes(body, b.publicKey))).toEqual({ fault: 'rlpx/bad-auth' })
    for (const prefix of ['0000', '0001', '0070']) expect(new Recipient(b).receive(hex(prefix))).toEqual({ fault: 'rlpx/bad-auth' })
    expect(new Recipient(b).receive(hex('0071'))).toBeUndefined()
  })

  it('takes an EIP-8 message whose size starts with the byte of the plain form', () => {
    const { auth } = new Initiator(a, b.publicKey)
    const [signature, publicKey, nonce, version] = fieldsOf(auth, b.secretKey) as Uint8Array[]
    for (const size of [0x0400, 0x0480, 0x04ff]) {
      const message = sealed([signature!, publicKey!, nonce!, version!], b.publicKey, size)
      expect([message[0], message.length]).toEqual([4, 2 + size])
      expect(done(new Recipient(b).receive(message)).remotePublicKey).toEqual(a.publicKey)
    }
  })

  it('agrees once or twice, however many chunks a message comes in', () => {
    let agreements = 0
    const counting: Curve = {
      ...curve,
      ecdh(secretKey, publicKey) {
        agreements++
        return curve.ecdh(secretKey, publicKey)
      },
    }
    const junk = new Uint8Array(2 + 0x04ff).fill(4, 0, 1).fill(0xff, 1, 2)
    expect(feed(new Recipient({ ...b, curve: counting }), junk, 1)).toEqual({ fault: 'rlpx/bad-auth' })
    expect(agreements).toBeLessThanOrEqual(2)
  })

  it('throws where our caller gives no point of the curve', () => {
    expect(() => new Initiator(a, new Uint8Array(64))).toThrow('point of the curve')
  })
})

function feed(side: Initiator | Recipient, bytes: Uint8Array, chunkSize: number): HandshakeDone | Fault | undefined {
  for (let at = 0; at < bytes.length; at += chunkSize) {
    const result = side.receive(bytes.slice(at, at + chunkSize))
    if (result !== undefined) return result
  }
  return undefined
}

/** Random padding brings the message to `size`, so that it may start with any byte. */
function sealed(body: readonly Uint8Array[], publicKey: Uint8Array, size?: number): Uint8Array {
  return sealedBytes(encodeRlp(body), publicKey, size)
}

function sealedBytes(body: Uint8Array, publicKey: Uint8Array, size = body.length + ECIES_OVERHEAD_BYTES): Uint8Array {
  const { bytes } = seeded(5)
  const prefix = Uint8Array.of(size >> 8, size & 0xff)
  const padded = Buffer.concat([body, new Uint8Array(size - ECIES_OVERHEAD_BYTES - body.length)])
  return Buffer.concat([prefix, eciesEncrypt(curve, bytes, publicKey, padded, prefix)])
}
