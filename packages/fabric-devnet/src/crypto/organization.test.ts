import { X509Certificate } from 'node:crypto'
import { createSigner, X509Msp } from '@kumiko/fabric-msp'
import { isFault } from '@kumiko/interface'
import { describe, expect, it } from 'vitest'
import { Organization } from './organization.ts'
import { seededBytes } from './seeded-bytes.ts'

const options = {
  kind: 'peer',
  mspId: 'Org1MSP',
  domain: 'org1.example.com',
  nodes: ['peer0'],
  users: ['User1'],
  notBefore: Date.UTC(2020, 0, 1),
  notAfter: Date.UTC(2040, 0, 1),
} as const

const mspOf = (organization: Organization): X509Msp => {
  const msp = X509Msp.from(organization.mspConfig, 'V1_4_3')
  if (isFault(msp)) throw new Error(msp.detail)
  return msp
}

describe('Organization', () => {
  it('has members whom its MSP takes for what they are', async () => {
    const organization = await Organization.create(options)
    const msp = mspOf(organization)
    const roles = ['peer', 'client', 'admin', 'orderer'] as const
    const rolesOf = (certificate: string): string[] => {
      const identity = msp.identityFrom(new TextEncoder().encode(certificate))
      if (isFault(identity)) throw new Error(identity.detail)
      expect(identity.validate()).toBeUndefined()
      return roles.filter((role) => identity.satisfies({ kind: 'role', mspId: 'Org1MSP', role }))
    }
    expect(rolesOf(organization.nodes.get('peer0')!.identity.certificate)).toEqual(['peer'])
    expect(rolesOf(organization.admin.identity.certificate)).toEqual(['admin'])
    expect(rolesOf(organization.user('User1')!.identity.certificate)).toEqual(['client'])
  })

  it('has certificates that no MSP needs to put right: clients and peers name identities by the same bytes', async () => {
    const organization = await Organization.create(options)
    const msp = mspOf(organization)
    for (const member of [...organization.nodes.values(), ...organization.users]) {
      const identity = msp.identityFrom(new TextEncoder().encode(member.identity.certificate))
      if (isFault(identity)) throw new Error(identity.detail)
      expect(createSigner(identity, member.identity.privateKey).creator).toEqual(identity.serialized)
      expect(Buffer.from(identity.certificate.raw)).toEqual(new X509Certificate(member.identity.certificate).raw)
    }
  })

  it('enrols users with attributes at any time, each once', async () => {
    const organization = await Organization.create(options)
    const alice = await organization.enrol('alice', { 'hf.role': 'auditor' })
    expect(await organization.enrol('alice')).toBe(alice)
    const identity = mspOf(organization).identityFrom(new TextEncoder().encode(alice.identity.certificate))
    expect(isFault(identity) ? identity : [...identity.attributes]).toEqual([['hf.role', 'auditor']])
  })

  it('has servers that are reached by name and by loopback address', async () => {
    const { nodes, tlsCa } = await Organization.create({ ...options, hosts: ['peer.test', '10.0.0.1'] })
    const certificate = new X509Certificate(nodes.get('peer0')!.tls.certificate)
    const names = ['peer0.org1.example.com', 'localhost', 'peer.test'].map((name) => certificate.checkHost(name))
    expect(names).toEqual(['peer0.org1.example.com', 'localhost', 'peer.test'])
    expect(['127.0.0.1', '::1', '10.0.0.1'].map((ip) => certificate.checkIP(ip))).toEqual(['127.0.0.1', '::1', '10.0.0.1'])
    expect(certificate.checkIssued(new X509Certificate(tlsCa.certificate))).toBe(true)
    expect(certificate.verify(new X509Certificate(tlsCa.certificate).publicKey)).toBe(true)
  })

  it('is the same for the same seed', async () => {
    const certificates = async (seed: number): Promise<string[]> => {
      const { nodes, users } = await Organization.create({ ...options, randomBytes: seededBytes(seed, 'Org1MSP') })
      return [...nodes.values(), ...users].flatMap(({ identity, tls }) => [identity.certificate, identity.privateKey, tls.certificate])
    }
    expect(await certificates(7)).toEqual(await certificates(7))
    expect(await certificates(7)).not.toEqual(await certificates(8))
  })
})
