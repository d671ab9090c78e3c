import { createPublicKey, verify } from 'node:crypto'
import { expect, it } from 'vitest'
import { Organization } from '../crypto/organization.ts'
import { gatewayAccess } from './gateway-access.ts'

it('signs as Fabric has signatures, whatever zeros are in them', async () => {
  const organization = await Organization.create({
    kind: 'peer',
    mspId: 'Org1MSP',
    domain: 'org1.example.com',
    nodes: [],
    users: [],
    notBefore: 0,
    notAfter: Date.UTC(2040, 0),
  })
  const { signer, identity, hash } = gatewayAccess('localhost:7051', organization, organization.admin)
  expect(identity.mspId).toBe('Org1MSP')
  const key = createPublicKey(Buffer.from(identity.credentials).toString())
  // One of 256 numbers begins with a zero.
  for (let i = 0; i < 600; i++) {
    const message = Buffer.from(`message ${i}`)
    expect(verify('sha256', message, key, await signer(hash(message)))).toBe(true)
  }
})
