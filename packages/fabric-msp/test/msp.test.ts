import { NodeOus, type OuIdentifier, SerializedIdentity } from '@kumiko/fabric-protocol'
import 'reflect-metadata'
import { createHash, webcrypto } from 'node:crypto'
import { isFault } from '@kumiko/interface'
import { type Credential, issue, issueCa, revoke } from '@kumiko/testkit/fabric'
import * as x509 from '@peculiar/x509'
import { beforeAll, describe, expect, it } from 'vitest'
import type { MspPrincipal, MspRole } from '../src/contract.ts'
import { withoutLeadingZeros } from '../src/der.ts'
import { encodeSignature } from '../src/ecdsa-signature.ts'
import { checkWellFormed, serializeIdentity } from '../src/identity.ts'
import { createMspManager } from '../src/msp-manager.ts'
import type { MspVersion } from '../src/node-ous.ts'
import { encodePem } from '../src/pem.ts'
import { createSigner } from '../src/signer.ts'
import { identityOf, MSP_ID, mspOf, setUp, verdict, withOtherS } from './authority.ts'

const ALL_ROLES: readonly MspRole[] = ['member', 'admin', 'client', 'peer', 'orderer']
let root: Credential
let admin: Credential

beforeAll(async () => {
  root = await issueCa('root')
  admin = await issue({ issuer: root, name: 'admin' })
})

/** With one root and an admin by certificate. */
const plain = () => ({ rootCerts: [root.pem], admins: [admin.pem] })

describe('a certificate', () => {
  it('of the root is valid', async () => {
    expect(verdict(mspOf(plain()), await issue({ issuer: root }))).toBe('valid')
  })

  it('that has expired is valid, and says when it did', async () => {
    const expired = await issue({ issuer: root, from: '2026-01-01T00:00:00Z', to: '2026-01-02T00:00:00Z' })
    const identity = identityOf(mspOf(plain()), expired)
    expect(identity.validate()).toBeUndefined()
    expect(identity.expiresAt).toBe(Date.UTC(2026, 0, 2) / 1000)
  })

  it('of before its CA, or of after it, is not', async () => {
    const msp = mspOf(plain())
    expect(verdict(msp, await issue({ issuer: root, from: '2025-12-31T23:59:58Z' }))).toBe('deserialize: fabric-msp/no-chain')
    expect(verdict(msp, await issue({ issuer: root, from: '2025-12-31T23:59:59Z' }))).toBe('valid')
    expect(verdict(msp, await issue({ issuer: root, from: '2045-12-31T23:59:59Z', to: '2050-01-01T00:00:00Z' }))).toBe('valid')
    expect(verdict(msp, await issue({ issuer: root, from: '2046-01-01T00:00:00Z', to: '2050-01-01T00:00:00Z' }))).toMatch(/no-chain/)
  })

  it('that ends before it begins is not', async () => {
    const wanted = { issuer: root, from: '2026-01-01T00:00:00Z', to: '2026-01-01T00:00:00Z' }
    expect(verdict(mspOf(plain()), await issue(wanted))).toBe('deserialize: fabric-msp/no-chain')
  })

  it('of another CA with the same name is not', async () => {
    const impostor = await issueCa('root')
    expect(verdict(mspOf(plain()), await issue({ issuer: impostor }))).toBe('deserialize: fabric-msp/no-chain')
  })

  it('signed by itself is not', async () => {
    expect(verdict(mspOf(plain()), await issue())).toBe('deserialize: fabric-msp/no-chain')
  })

  it('of a CA is no identity', async () => {
    const msp = mspOf(plain())
    expect(verdict(msp, await issueCa('intermediate', { issuer: root }))).toBe('fabric-msp/ca-as-identity')
    expect(verdict(msp, root)).toBe('fabric-msp/ca-as-identity')
  })

  it('of an intermediate is valid, and none of a CA that has some below it', async () => {
    const intermediate = await issueCa('intermediate', { issuer: root })
    const config = { rootCerts: [root.pem], intermediateCerts: [intermediate.pem] }
    const member = await issue({ issuer: intermediate })
    const msp = mspOf({ ...config, admins: [member.pem] })
    expect(verdict(msp, member)).toBe('valid')
    expect(verdict(msp, await issue({ issuer: root }))).toBe('fabric-msp/parent-not-leaf')
    expect(setUp({ ...config, admins: [admin.pem] })).toMatchObject({
      fault: 'fabric-msp/parent-not-leaf',
      detail: expect.stringMatching(/an admin/),
    })
  })

  it('with two chains belongs to nobody', async () => {
    const other = await issueCa('other root')
    const intermediate = await issueCa('intermediate', { issuer: root })
    const crossSigned = await issueCa('intermediate', { issuer: other, keys: intermediate.keys })
    const config = { rootCerts: [root.pem, other.pem], intermediateCerts: [intermediate.pem, crossSigned.pem], admins: [] }
    const msp = mspOf({ ...config, fabricNodeOus: nodeOus() })
    expect(verdict(msp, await issue({ issuer: intermediate }))).toBe('deserialize: fabric-msp/several-chains')
    const once = mspOf({ ...config, fabricNodeOus: nodeOus(), intermediateCerts: [intermediate.pem, intermediate.pem] })
    expect(verdict(once, await issue({ issuer: intermediate, units: ['client'] }))).toBe('valid')
  })

  it('below more CAs than allowed is not valid', async () => {
    const strict = await issueCa('strict', { pathLength: 0 })
    const intermediate = await issueCa('intermediate', { issuer: strict })
    const direct = await issue({ issuer: strict })
    expect(verdict(mspOf({ rootCerts: [strict.pem], admins: [direct.pem] }), direct)).toBe('valid')
    const config = { rootCerts: [strict.pem], intermediateCerts: [intermediate.pem], fabricNodeOus: nodeOus() }
    expect(verdict(mspOf(config), await issue({ issuer: intermediate }))).toBe('deserialize: fabric-msp/no-chain')
  })

  it('with usages is valid where they allow servers or all', async () => {
    const verdictOf = async (...usages: string[]) =>
      verdict(mspOf(plain()), await issue({ issuer: root, extensions: [new x509.ExtendedKeyUsageExtension(usages)] }))
    expect(await verdictOf(x509.ExtendedKeyUsage.clientAuth)).toBe('deserialize: fabric-msp/no-chain')
    expect(await verdictOf(x509.ExtendedKeyUsage.clientAuth, x509.ExtendedKeyUsage.serverAuth)).toBe('valid')
    expect(await verdictOf('2.5.29.37.0')).toBe('valid')
  })

  it('signed over SHA-1, or by a CA that may not sign certificates, is not valid', async () => {
    expect(verdict(mspOf(plain()), await issue({ issuer: root, hash: 'SHA-1' }))).toBe('deserialize: fabric-msp/no-chain')
    const idle = await issueCa('idle', { issuer: root, usage: x509.KeyUsageFlags.cRLSign })
    const msp = mspOf({ rootCerts: [root.pem], intermediateCerts: [idle.pem], fabricNodeOus: nodeOus() })
    expect(verdict(msp, await issue({ issuer: idle, units: ['client'] }))).toBe('deserialize: fabric-msp/no-chain')
  })

  it('with a critical extension that nobody knows is not valid', async () => {
    const unknown = (isCritical: boolean) => new x509.Extension('1.2.3.4.5', isCritical, Uint8Array.of(5, 0))
    expect(verdict(mspOf(plain()), await issue({ issuer: root, extensions: [unknown(false)] }))).toBe('valid')
    expect(verdict(mspOf(plain()), await issue({ issuer: root, extensions: [unknown(true)] }))).toMatch(/no-chain/)
  })

  it('with high s is the same identity as with low s', async () => {
    const member = await issue({ issuer: root })
    const other = withOtherS(member)
    const msp = mspOf(plain())
    const [a, b] = [identityOf(msp, member), identityOf(msp, other)]
    expect(member.der).not.toEqual(other.der)
    expect([b.id, b.serialized, b.validate()]).toEqual([a.id, a.serialized, undefined])
    expect(a.id).toBe(createHash('sha256').update(a.certificate.raw).digest('hex'))
    expect([member.der, other.der]).toContainEqual(a.certificate.raw)
  })

  it('is valid below CAs with high s too', async () => {
    const member = await issue({ issuer: root })
    const intermediate = await issueCa('intermediate', { issuer: root })
    const issuers = [root, withOtherS(root)].flatMap((ca) => [intermediate, withOtherS(intermediate)].map((below) => [ca, below] as const))
    const client = await issue({ issuer: intermediate, units: ['client'] })
    const identifiers = issuers.map(([ca, below]) => {
      expect(verdict(mspOf({ ...plain(), rootCerts: [ca.pem] }), member)).toBe('valid')
      const msp = mspOf({ rootCerts: [ca.pem], intermediateCerts: [below.pem], fabricNodeOus: nodeOus(pinned('client', below)) })
      expect(verdict(msp, client)).toBe('valid')
      return Buffer.from(identityOf(msp, client).organizationalUnits[0]!.certifiersIdentifier).toString('hex')
    })
    expect(new Set(identifiers).size).toBe(1)
  })

  it('may hold keys of P-384; Ed25519 from V3_0 on; RSA never', async () => {
    const message = new TextEncoder().encode('message')
    const verdicts = async (curve: 'P-384' | 'Ed25519' | 'RSA') => {
      const member = await issue({ issuer: root, curve })
      const identities = (['V1_4_3', 'V3_0'] as const).map((version) => identityOf(mspOf(plain(), version), member))
      const pem = encodePem('PRIVATE KEY', new Uint8Array(await webcrypto.subtle.exportKey('pkcs8', member.keys.privateKey)))
      const signatures = curve === 'RSA' ? [] : identities.map((identity) => createSigner(identity, pem).sign(message))
      expect(signatures.every((signature, i) => identities[i]!.verify(message, signature))).toBe(true)
      expect(signatures.some((signature, i) => identities[i]!.verify(new Uint8Array(7), signature))).toBe(false)
      return identities.map((identity) => identity.validate()?.fault ?? 'valid')
    }
    expect(await verdicts('P-384')).toEqual(['valid', 'valid'])
    expect(await verdicts('Ed25519')).toEqual(['fabric-msp/unsupported-key', 'valid'])
    expect(await verdicts('RSA')).toEqual(['fabric-msp/unsupported-key', 'fabric-msp/unsupported-key'])
  })

  it('may be of a CA with an RSA key', async () => {
    const rsa = await issueCa('rsa', { curve: 'RSA' })
    const member = await issue({ issuer: rsa })
    expect(verdict(mspOf({ rootCerts: [rsa.pem], admins: [member.pem] }), member)).toBe('valid')
  })
})

describe('name constraints', () => {
  const constraints = (tag: number, name: string) => {
    const base = Uint8Array.of(0x82, name.length, ...new TextEncoder().encode(name))
    const subtree = Uint8Array.of(0x30, base.length, ...base)
    return new x509.Extension('2.5.29.30', true, Uint8Array.of(0x30, subtree.length + 2, tag, subtree.length, ...subtree))
  }
  const dns = (name: string) => new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: name }])

  it('bind alternative names', async () => {
    const permitting = await issueCa('permitting', { extensions: [constraints(0xa0, 'example.com')] })
    const excluding = await issueCa('excluding', { extensions: [constraints(0xa1, 'example.com')] })
    const verdicts = async (name: string) =>
      Promise.all(
        [permitting, excluding].map(async (ca) => {
          const msp = mspOf({ rootCerts: [ca.pem], fabricNodeOus: nodeOus() })
          return verdict(msp, await issue({ issuer: ca, units: ['client'], extensions: [dns(name)] })).replace('fabric-msp/', '')
        }),
      )
    expect(await verdicts('peer.example.com')).toEqual(['valid', 'deserialize: no-chain'])
    expect(await verdicts('EXAMPLE.com')).toEqual(['valid', 'deserialize: no-chain'])
    expect(await verdicts('example.org')).toEqual(['deserialize: no-chain', 'valid'])
    expect(await verdicts('notexample.com')).toEqual(['deserialize: no-chain', 'valid'])
  })

  it('want alternative names where the common name is a host’s, as Go 1.14 did', async () => {
    const ca = await issueCa('permitting', { extensions: [constraints(0xa0, 'example.com')] })
    const msp = mspOf({ rootCerts: [ca.pem], fabricNodeOus: nodeOus() })
    const verdictOf = async (name: string, extensions: x509.Extension[] = []) =>
      verdict(msp, await issue({ issuer: ca, name, units: ['client'], extensions }))
    expect(await verdictOf('peer.example.com')).toBe('deserialize: fabric-msp/name-constraints')
    expect(await verdictOf('peer.example.com', [dns('peer.example.com')])).toBe('valid')
    expect(await verdictOf('User1@example.com')).toBe('valid')
  })
})

describe('revocation', () => {
  it('counts whatever its date', async () => {
    const member = await issue({ issuer: root, serial: '0bad' })
    const lists = await Promise.all([
      revoke(root, ['0bad']),
      revoke(root, ['0bad'], { on: '2040-01-01T00:00:00Z' }),
      revoke(root, ['0c0d']),
    ])
    const verdicts = lists.map((list) => verdict(mspOf({ ...plain(), revocationList: [list] }), member))
    expect(verdicts).toEqual(['fabric-msp/revoked', 'fabric-msp/revoked', 'valid'])
  })

  it('does not count if another than the CA signed the list', async () => {
    const member = await issue({ issuer: root, serial: '0bad' })
    const forged = await revoke(root, ['0bad'], { signer: await issueCa('root') })
    expect(verdict(mspOf({ ...plain(), revocationList: [forged] }), member)).toBe('valid')
    expect(verdict(mspOf({ ...plain(), revocationList: [forged, await revoke(root, ['0bad'])] }), member)).toBe('fabric-msp/revoked')
  })

  it('is the business of the CA right above', async () => {
    const intermediate = await issueCa('intermediate', { issuer: root })
    const member = await issue({ issuer: intermediate, serial: '0bad' })
    const config = { rootCerts: [root.pem], intermediateCerts: [intermediate.pem], fabricNodeOus: nodeOus() }
    const client = await issue({ issuer: intermediate, serial: '0bad', units: ['client'] })
    expect(verdict(mspOf({ ...config, revocationList: [await revoke(root, ['0bad'])] }), client)).toBe('valid')
    expect(verdict(mspOf({ ...config, revocationList: [await revoke(intermediate, ['0bad'])] }), member)).toBe('fabric-msp/revoked')
  })

  it('does not count in a list for another key', async () => {
    const member = await issue({ issuer: root, serial: '0bad' })
    const list = await revoke(root, ['0bad'], { keyOf: admin })
    expect(verdict(mspOf({ ...plain(), revocationList: [list] }), member)).toBe('valid')
  })

  it('leaves no role, no unit, no identity', async () => {
    const peer = await issue({ issuer: root, serial: '0bad', units: ['peer'] })
    const config = { rootCerts: [root.pem], fabricNodeOus: nodeOus() }
    const satisfied = (identity: ReturnType<typeof identityOf>): boolean[] => {
      const { certifiersIdentifier } = identity.organizationalUnits[0]!
      const unit = { kind: 'organization-unit', mspId: MSP_ID, organizationalUnit: 'peer', certifiersIdentifier } as const
      const principals = [
        { kind: 'role', mspId: MSP_ID, role: 'peer' },
        unit,
        { kind: 'identity', serialized: identity.serialized },
      ] as const
      return principals.map((principal) => identity.satisfies(principal))
    }
    expect(satisfied(identityOf(mspOf(config), peer))).toEqual([true, true, true])
    const revoked = mspOf({ ...config, revocationList: [await revoke(root, ['0bad'])] })
    expect(satisfied(identityOf(revoked, peer))).toEqual([false, false, false])
  })

  it('of a CA keeps the MSP from being set up', async () => {
    const intermediate = await issueCa('intermediate', { issuer: root, serial: '0bad' })
    const config = { rootCerts: [root.pem], intermediateCerts: [intermediate.pem], fabricNodeOus: nodeOus() }
    const lists = [await revoke(root, ['0bad'])]
    expect(setUp({ ...config, revocationList: lists })).toMatchObject({
      fault: 'fabric-msp/revoked',
      detail: expect.stringMatching(/^a CA/),
    })
  })

  it('by a list without a key identifier lets nobody pass', async () => {
    const list = await revoke(root, ['0bad'], { withoutKeyId: true })
    const msp = mspOf({ rootCerts: [root.pem], fabricNodeOus: nodeOus(), revocationList: [list] })
    expect(verdict(msp, await issue({ issuer: root, units: ['client'] }))).toBe('fabric-msp/bad-revocation-list')
  })

  it('needs a list that can be read', () => {
    expect(setUp({ ...plain(), revocationList: [new Uint8Array(9)] })).toMatchObject({ fault: 'fabric-msp/bad-revocation-list' })
  })
})

describe('CAs', () => {
  it('must be there, be CAs, and say which key they have', async () => {
    expect(setUp({ admins: [admin.pem] })).toMatchObject({ fault: 'fabric-msp/bad-config', detail: 'no root CA' })
    expect(setUp({ ...plain(), rootCerts: [new Uint8Array(3)] })).toMatchObject({
      fault: 'fabric-msp/bad-pem',
      detail: expect.stringMatching(/^a CA/),
    })
    expect(setUp({ ...plain(), rootCerts: [(await issue({ curve: 'RSA' })).pem] })).toMatchObject({ fault: 'fabric-msp/not-a-ca' })
    const anonymous = await issueCa('anonymous', { withoutKeyIds: true })
    expect(setUp({ ...plain(), rootCerts: [anonymous.pem] })).toMatchObject({ fault: 'fabric-msp/no-key-identifier' })
  })

  it('among the intermediates need a root', async () => {
    const stranger = await issueCa('stranger', { issuer: await issueCa('other') })
    expect(setUp({ ...plain(), intermediateCerts: [stranger.pem] })).toMatchObject({ fault: 'fabric-msp/no-chain' })
  })

  it('for TLS are looked at too', async () => {
    const other = await issueCa('other')
    expect(mspOf({ ...plain(), tlsRootCerts: [other.pem] }).tlsRootCerts).toEqual([other.pem])
    expect(setUp({ ...plain(), tlsRootCerts: [admin.pem] })).toMatchObject({
      fault: 'fabric-msp/not-a-ca',
      detail: expect.stringMatching(/^a TLS CA/),
    })
  })
})

describe('admins', () => {
  it('must be named by certificate or unit from V1_4_3 on', () => {
    expect(setUp({ rootCerts: [root.pem] })).toMatchObject({ fault: 'fabric-msp/no-admins' })
    expect(setUp({ rootCerts: [root.pem], fabricNodeOus: nodeOus({ adminOuIdentifier: undefined }) })).toMatchObject({
      fault: 'fabric-msp/no-admins',
    })
    expect(isFault(setUp({ rootCerts: [root.pem] }, 'V1_3'))).toBe(false)
    expect(isFault(setUp({ rootCerts: [root.pem], fabricNodeOus: nodeOus() }))).toBe(false)
  })

  it('by certificate must be clients or admins where node OUs hold', async () => {
    const config = { rootCerts: [root.pem], fabricNodeOus: nodeOus() }
    const setUpWith = async (unit: string, version: MspVersion) => {
      const msp = setUp({ ...config, admins: [(await issue({ issuer: root, units: [unit] })).pem] }, version)
      return isFault(msp) ? msp.fault : 'set up'
    }
    expect(await setUpWith('peer', 'V1_4_3')).toBe('fabric-msp/organizational-unit')
    expect(await setUpWith('client', 'V1_4_3')).toBe('set up')
    expect(await setUpWith('admin', 'V1_4_3')).toBe('set up')
    expect(await setUpWith('client', 'V1_1')).toBe('set up')
    expect(await setUpWith('admin', 'V1_1')).toBe('fabric-msp/organizational-unit')
  })

  it('are admins though they are of another role', async () => {
    const client = await issue({ issuer: root, units: ['client'] })
    const msp = mspOf({ rootCerts: [root.pem], fabricNodeOus: nodeOus(), admins: [client.pem] })
    expect(rolesOf(msp, client)).toEqual(['member', 'admin', 'client'])
    expect(rolesOf(msp, await issue({ issuer: root, units: ['client'] }))).toEqual(['member', 'client'])
  })
})

describe('node OUs', () => {
  const config = () => ({ rootCerts: [root.pem], fabricNodeOus: nodeOus() })
  const member = (...units: string[]) => issue({ issuer: root, units })

  it('tell roles apart, each exactly once', async () => {
    const msp = mspOf(config())
    for (const role of ['client', 'peer', 'orderer'] as const) expect(rolesOf(msp, await member(role))).toEqual(['member', role])
    expect(rolesOf(msp, await member('department', 'admin'))).toEqual(['member', 'admin'])
    for (const units of [[], ['department'], ['client', 'peer'], ['client', 'client'], ['Client']]) {
      expect([units, verdict(msp, await member(...units))]).toEqual([units, 'fabric-msp/organizational-unit'])
    }
  })

  it('know clients and peers before V1_4_3, and nobody in V1_0', async () => {
    const roles = async (unit: string, version: MspVersion) => rolesOf(mspOf(config(), version), await member(unit))
    expect(await roles('client', 'V1_1')).toEqual(['member', 'client'])
    expect(await roles('peer', 'V1_3')).toEqual(['member', 'peer'])
    expect(await roles('admin', 'V1_3')).toEqual([])
    expect(await roles('orderer', 'V1_1')).toEqual([])
    expect(await roles('client', 'V1_0')).toEqual(['member'])
    expect(await roles('orderer', 'V3_0')).toEqual(['member', 'orderer'])
  })

  it('need units for clients and peers before V1_4_3', () => {
    const withoutPeer = { rootCerts: [root.pem], fabricNodeOus: nodeOus({ peerOuIdentifier: undefined }) }
    expect(setUp(withoutPeer, 'V1_1')).toMatchObject({ fault: 'fabric-msp/bad-config' })
    expect(isFault(setUp(withoutPeer, 'V1_4_3'))).toBe(false)
  })

  it('do nothing if not enabled, or if empty', async () => {
    for (const fabricNodeOus of [nodeOus({ enable: false }), NodeOus.create({ enable: true })]) {
      expect(rolesOf(mspOf({ ...plain(), fabricNodeOus }), await member('client', 'peer'))).toEqual(['member'])
    }
  })

  it('may be pinned to a CA', async () => {
    const other = await issueCa('other')
    const msp = mspOf({ rootCerts: [root.pem, other.pem], fabricNodeOus: nodeOus(pinned('client', root)) })
    expect(verdict(msp, await member('client'))).toBe('valid')
    expect(verdict(msp, await issue({ issuer: other, units: ['client'] }))).toBe('fabric-msp/organizational-unit')
    expect(verdict(msp, await issue({ issuer: other, units: ['peer'] }))).toBe('valid')
  })

  it('are pinned to CAs of the MSP only', async () => {
    const fabricNodeOus = nodeOus(pinned('client', await issueCa('other')))
    expect(setUp({ rootCerts: [root.pem], fabricNodeOus })).toMatchObject({
      fault: 'fabric-msp/not-a-ca',
      detail: expect.stringMatching(/organisational unit/),
    })
  })
})

describe('organisational units that an MSP lists', () => {
  it('are needed, of the right CA', async () => {
    const other = await issueCa('other')
    const listed = [{ certificate: root.pem, organizationalUnitIdentifier: 'sales' }]
    const clerk = await issue({ issuer: root, units: ['sales'] })
    const msp = mspOf({ rootCerts: [root.pem, other.pem], admins: [clerk.pem], organizationalUnitIdentifiers: listed })
    expect(verdict(msp, await issue({ issuer: root, units: ['research', 'sales'] }))).toBe('valid')
    expect(verdict(msp, await issue({ issuer: root, units: ['research'] }))).toBe('fabric-msp/organizational-unit')
    expect(verdict(msp, await issue({ issuer: other, units: ['sales'] }))).toBe('fabric-msp/organizational-unit')
  })
})

describe('principals', () => {
  const unit = (organizationalUnit: string, certifiersIdentifier: Uint8Array, mspId = MSP_ID): MspPrincipal => ({
    kind: 'organization-unit',
    mspId,
    organizationalUnit,
    certifiersIdentifier,
  })
  const sha256 = (...parts: Uint8Array[]) => new Uint8Array(createHash('sha256').update(Buffer.concat(parts)).digest())

  it('for a unit want its name and exactly its chain', async () => {
    const identity = identityOf(mspOf(plain()), await issue({ issuer: root, units: ['sales', 'research'] }))
    const [{ certifiersIdentifier } = unreachable()] = identity.organizationalUnits
    expect(sha256(identityRaw(root))).toEqual(certifiersIdentifier)
    expect(identity.satisfies(unit('research', certifiersIdentifier))).toBe(true)
    expect(identity.satisfies(unit('research', new Uint8Array(0)))).toBe(false)
    expect(identity.satisfies(unit('marketing', certifiersIdentifier))).toBe(false)
    expect(identity.satisfies(unit('research', certifiersIdentifier, 'OtherMSP'))).toBe(false)
  })

  it('for an identity want the same certificate, whichever s it has', async () => {
    const member = await issue({ issuer: root })
    const msp = mspOf(plain())
    const identity = identityOf(msp, member)
    const is = (serialized: Uint8Array) => identity.satisfies({ kind: 'identity', serialized })
    expect(is(identity.serialized)).toBe(true)
    expect(is(serializeIdentity(MSP_ID, withOtherS(member).der))).toBe(true)
    expect(is(serializeIdentity(MSP_ID, admin.der))).toBe(false)
    expect(is(serializeIdentity('OtherMSP', member.der))).toBe(false)
    expect(is(new Uint8Array(5))).toBe(false)
  })

  it('for anonymity and combinations are there from V1_3 on', async () => {
    const member = await issue({ issuer: root })
    const versions = ['V1_0', 'V1_1', 'V1_3', 'V1_4_3', 'V3_0'] as const
    const satisfy = (principal: MspPrincipal) => versions.map((version) => identityOf(mspOf(plain(), version), member).satisfies(principal))
    const from13 = [false, false, true, true, true]
    const never = versions.map(() => false)
    const role = (name: MspRole) => ({ kind: 'role', mspId: MSP_ID, role: name }) as const
    expect(satisfy({ kind: 'anonymity', anonymity: 'nominal' })).toEqual(from13)
    expect(satisfy({ kind: 'anonymity', anonymity: 'anonymous' })).toEqual(never)
    expect(satisfy({ kind: 'combined', principals: [role('member'), { kind: 'anonymity', anonymity: 'nominal' }] })).toEqual(from13)
    expect(satisfy({ kind: 'combined', principals: [role('member'), role('peer')] })).toEqual(never)
    expect(satisfy({ kind: 'combined', principals: [] })).toEqual(never)
    expect(satisfy({ kind: 'role', mspId: 'OtherMSP', role: 'member' })).toEqual(never)
  })

  const identityRaw = (credential: Credential) => {
    const msp = mspOf(plain())
    return identityOf(msp, credential).certificate.raw
  }
})

describe('signatures', () => {
  it('with high s, of others, or of no form are refused', async () => {
    const member = await issue({ issuer: root })
    const identity = identityOf(mspOf(plain()), member)
    const message = new TextEncoder().encode('message')
    const p1363 = new Uint8Array(await webcrypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, member.keys.privateKey, message))
    const [r, s] = [p1363.subarray(0, 32), BigInt(`0x${Buffer.from(p1363.subarray(32)).toString('hex')}`)]
    const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
    const [low, high] = s <= order / 2n ? [s, order - s] : [order - s, s]
    const der = (value: bigint) => signatureOf(r, new Uint8Array(Buffer.from(value.toString(16).padStart(64, '0'), 'hex')))
    expect(identity.verify(message, der(low))).toBe(true)
    expect(identity.verify(message, der(high))).toBe(false)
    expect(identity.verify(message, Uint8Array.of(...der(low), 1, 2, 3))).toBe(true)
    expect(identity.verify(message, p1363)).toBe(false)
    expect(identity.verify(message, new Uint8Array(0))).toBe(false)
    expect(identity.verify(message.subarray(1), der(low))).toBe(false)
  })
})

describe('serialised identities', () => {
  it('need their MSP', () => {
    const manager = createMspManager([mspOf(plain())])
    expect(manager.deserialize(serializeIdentity('OtherMSP', admin.der))).toEqual({ fault: 'fabric-msp/unknown-msp', detail: 'OtherMSP' })
    expect(manager.deserialize(Uint8Array.of(1))).toMatchObject({ fault: 'fabric-msp/bad-identity' })
    expect(manager.deserialize(serializeIdentity(MSP_ID, admin.der))).toMatchObject({ mspId: MSP_ID })
    expect(manager.deserialize(serializeIdentity(MSP_ID, new Uint8Array(9)))).toMatchObject({ fault: 'fabric-msp/bad-certificate' })
  })

  it('are well formed without anything after the certificate, which validation allows', () => {
    const serialized = serializeIdentity(MSP_ID, admin.der)
    expect(checkWellFormed(serialized)).toBeUndefined()
    const pem = (type: string, rest = '') => new TextEncoder().encode(encodePem(type, admin.der) + rest)
    const wellFormed = (bytes: Uint8Array) => checkWellFormed(identityMessage(bytes))?.fault
    expect(wellFormed(pem('CERTIFICATE'))).toBeUndefined()
    expect(wellFormed(pem(''))).toBeUndefined()
    expect(wellFormed(pem('X509 CERTIFICATE'))).toBe('fabric-msp/bad-pem')
    expect(wellFormed(pem('CERTIFICATE', '\n'))).toBe('fabric-msp/bad-pem')
    const identities = [pem('X509 CERTIFICATE'), pem('CERTIFICATE', 'text')].map((bytes) =>
      mspOf(plain()).deserialize(identityMessage(bytes)),
    )
    expect(identities.map((identity) => isFault(identity))).toEqual([false, false])
  })
})

function nodeOus(changes: Partial<NodeOus> = {}): NodeOus {
  const units = { clientOuIdentifier: unitOf('client'), peerOuIdentifier: unitOf('peer') }
  return { enable: true, ...units, adminOuIdentifier: unitOf('admin'), ordererOuIdentifier: unitOf('orderer'), ...changes }
}

function unitOf(name: string, certificate: Uint8Array = new Uint8Array(0)): OuIdentifier {
  return { certificate, organizationalUnitIdentifier: name }
}

function pinned(role: 'client' | 'peer', ca: Credential): Partial<NodeOus> {
  return { [`${role}OuIdentifier`]: unitOf(role, ca.pem) }
}

function rolesOf(msp: ReturnType<typeof mspOf>, credential: Credential): MspRole[] {
  const identity = identityOf(msp, credential)
  return ALL_ROLES.filter((role) => identity.satisfies({ kind: 'role', mspId: MSP_ID, role }))
}

function identityMessage(pem: Uint8Array): Uint8Array {
  return SerializedIdentity.encode({ mspId: MSP_ID, idBytes: pem })
}

function signatureOf(r: Uint8Array, s: Uint8Array): Uint8Array {
  return encodeSignature({ r: withoutLeadingZeros(r), s: withoutLeadingZeros(s) })
}

function unreachable(): never {
  throw new Error('an identity without units')
}
