import { CombinedPrincipalMessage, MspPrincipalMessage } from '@kumiko/fabric-protocol'
import { peerBlock } from '@kumiko/golden-channel'
import { isFault } from '@kumiko/interface'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { parseCertificate } from './certificate.ts'
import type { MspPrincipal, SimplePrincipal } from './contract.ts'
import { parseRevocationList } from './crl.ts'
import { checkWellFormed, serializeIdentity } from './identity.ts'
import { readFabricMspConfig, readMspConfig, X509Msp } from './msp.ts'
import { decodePem, encodePem } from './pem.ts'
import { encodePrincipal, readPrincipal } from './principal.ts'

const bytes = fc.uint8Array({ maxLength: 200 })
const simplePrincipal: fc.Arbitrary<SimplePrincipal> = fc.oneof(
  fc.record({
    kind: fc.constant('role' as const),
    mspId: fc.string({ unit: 'grapheme' }),
    role: fc.constantFrom('member' as const, 'admin' as const, 'client' as const, 'peer' as const, 'orderer' as const),
  }),
  fc.record({
    kind: fc.constant('organization-unit' as const),
    mspId: fc.string(),
    organizationalUnit: fc.string(),
    certifiersIdentifier: bytes,
  }),
  fc.record({ kind: fc.constant('identity' as const), serialized: bytes }),
  fc.record({ kind: fc.constant('anonymity' as const), anonymity: fc.constantFrom('nominal' as const, 'anonymous' as const) }),
)
const principal: fc.Arbitrary<MspPrincipal> = fc.oneof(
  simplePrincipal,
  fc.record({ kind: fc.constant('combined' as const), principals: fc.array(simplePrincipal, { minLength: 1, maxLength: 4 }) }),
)

it('any bytes are a value or a fault', () => {
  const decoders = [parseCertificate, parseRevocationList, readPrincipal, readMspConfig, readFabricMspConfig, checkWellFormed]
  const check = fc.property(bytes, (input) => {
    for (const decode of decoders) {
      const result = decode(input)
      expect(result === undefined || isFault(result) || typeof result === 'object').toBe(true)
    }
    const config = readFabricMspConfig(input)
    if (!isFault(config)) expect(isFault(X509Msp.from(config, 'V1_4_3'))).toBe(true)
    expect(isFault(checkWellFormed(serializeIdentity('MSP', input)))).toBe(true)
  })
  fc.assert(check, { numRuns: 2000, seed: 5 })
})

it('principals come back as they were', () => {
  fc.assert(
    fc.property(principal, (given) => {
      expect(readPrincipal(encodePrincipal(given))).toEqual(given)
    }),
    { numRuns: 500, seed: 5 },
  )
})

it('principals may nest as deep as their bytes allow', () => {
  const nested = (innermost: MspPrincipalMessage): Uint8Array => {
    let message = innermost
    for (let depth = 0; depth < 1500; depth++) {
      message = { principalClassification: 4, principal: CombinedPrincipalMessage.encode({ principals: [message] }) }
    }
    return MspPrincipalMessage.encode(message)
  }
  const identity = { kind: 'identity', serialized: new Uint8Array(3) }
  const combined = readPrincipal(nested({ principalClassification: 2, principal: new Uint8Array(3) }))
  expect(combined).toEqual({ kind: 'combined', principals: [identity] })
  expect(readPrincipal(nested({ principalClassification: 4, principal: new Uint8Array(0) }))).toEqual({
    fault: 'fabric-msp/bad-principal',
    detail: 'a combined principal without parts',
  })
})

it('PEM comes back as it was, whatever stands before it', () => {
  const text = fc.string({ maxLength: 50 }).filter((line) => !line.includes('-----'))
  const check = fc.property(bytes, text, text, (content, before, after) => {
    const pem = encodePem('CERTIFICATE', content)
    const block = decodePem(new TextEncoder().encode(`${before}\n${pem}${after}`))
    expect(block).toEqual({ type: 'CERTIFICATE', bytes: content, restBytes: new TextEncoder().encode(after).length })
  })
  fc.assert(check, { numRuns: 500, seed: 5 })
})

it('PEM of any text is a block or none', () => {
  const piece = fc.constantFrom('-----BEGIN ', '-----END ', 'A', '-----', '\n', '\r\n', ' ', ':', 'AAAA', '=', '\t')
  const check = fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
    const input = new TextEncoder().encode(pieces.join(''))
    const block = decodePem(input)
    if (block !== undefined) expect(block.restBytes + block.bytes.length).toBeLessThan(input.length)
  })
  fc.assert(check, { numRuns: 3000, seed: 5 })
})

it('a recorded configuration with bytes changed is an MSP or none', () => {
  const block = peerBlock(0)
  const mutation = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 })
  const config = configIn(block)
  const check = fc.property(mutation, (changes) => {
    const changed = config.slice()
    for (const [at, byte] of changes) changed[at % changed.length] = byte
    const read = readFabricMspConfig(changed)
    if (!isFault(read)) expect(['object']).toContain(typeof X509Msp.from(read, 'V1_4_3'))
  })
  fc.assert(check, { numRuns: 300, seed: 5 })
})

/** `Org1MSP`'s configuration: it begins with its name, field 1, and the block holds its length right before it. */
function configIn(block: Uint8Array): Uint8Array {
  const start = Buffer.from(block).indexOf(Buffer.from('\n\x07Org1MSP\x12'))
  const length = (block[start - 2]! & 0x7f) | (block[start - 1]! << 7)
  const config = block.slice(start, start + length)
  const read = readFabricMspConfig(config)
  if (isFault(read) || isFault(X509Msp.from(read, 'V1_4_3'))) throw new Error('the configuration has moved')
  return config
}
