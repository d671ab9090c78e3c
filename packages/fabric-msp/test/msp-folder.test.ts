import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { KumikoError } from '@kumiko/interface'
import { type Credential, issue, issueCa, revoke } from '@kumiko/testkit/fabric'
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { loadLocalMsp, loadMspFolder, readMspFolder } from '../src/msp-folder.ts'
import { encodePem } from '../src/pem.ts'
import { MSP_ID, verdict } from './authority.ts'

let folder: string
let root: Credential
let intermediate: Credential
let admin: Credential

beforeAll(async () => {
  root = await issueCa('root')
  intermediate = await issueCa('intermediate', { issuer: root })
  admin = await issue({ issuer: intermediate, units: ['client'] })
})

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'msp-'))
  await write({
    'cacerts/root.pem': root.pem,
    'cacerts/README': 'no PEM in here',
    'cacerts/old/root.pem': 'nor is this looked at',
    'intermediatecerts/intermediate.pem': intermediate.pem,
    'admincerts/admin.pem': admin.pem,
  })
})

afterEach(() => rm(folder, { recursive: true }))

it('reads all parts of a folder', async () => {
  const tls = await issueCa('tls')
  const tlsIntermediate = await issueCa('tls intermediate', { issuer: tls })
  const unit = (name: string, certificate = '') => `{ Certificate: '${certificate}', OrganizationalUnitIdentifier: ${name} }`
  await write({
    'tlscacerts/tls.pem': tls.pem,
    'tlsintermediatecerts/tls.pem': tlsIntermediate.pem,
    'crls/list.pem': await revoke(intermediate, ['0bad']),
    'config.yaml': [
      'OrganizationalUnitIdentifiers:',
      `  - ${unit('client', 'intermediatecerts/intermediate.pem')}`,
      `  - ${unit('peer', 'intermediatecerts/intermediate.pem')}`,
      'NodeOUs:',
      '  Enable: true',
      `  ClientOUIdentifier: ${unit('client', 'intermediatecerts/intermediate.pem')}`,
      `  PeerOUIdentifier: ${unit('peer')}`,
    ].join('\n'),
  })
  const msp = await loadMspFolder(folder, { mspId: MSP_ID })
  const verdictOf = async (units: string[], serial?: string) =>
    verdict(msp, await issue({ issuer: intermediate, units, ...(serial && { serial }) }))
  expect(await verdictOf(['client'])).toBe('valid')
  expect(await verdictOf(['peer'], '0bad')).toBe('fabric-msp/revoked')
  expect(await verdictOf(['orderer'])).toBe('fabric-msp/organizational-unit')
  expect([msp.tlsRootCerts, msp.tlsIntermediateCerts]).toEqual([[tls.pem], [tlsIntermediate.pem]])
  const { fabricNodeOus } = await readMspFolder(folder, MSP_ID)
  expect(fabricNodeOus).toMatchObject({ clientOuIdentifier: { certificate: intermediate.pem }, adminOuIdentifier: undefined })
})

it('does without config.yaml, and with node OUs that are not enabled', async () => {
  expect((await readMspFolder(folder, MSP_ID)).fabricNodeOus).toBeUndefined()
  await write({ 'config.yaml': 'NodeOUs:\n  Enable: false\n  ClientOUIdentifier: { OrganizationalUnitIdentifier: client }\n' })
  expect((await readMspFolder(folder, MSP_ID)).fabricNodeOus).toBeUndefined()
  expect(await loadMspFolder(folder, { mspId: MSP_ID })).toMatchObject({ mspId: MSP_ID, version: 'V1_4_3' })
})

it('finds the private key by what it is, whatever its file is called', async () => {
  const member = await issue({ issuer: intermediate })
  const stranger = await issue({ issuer: intermediate })
  await write({ 'signcerts/member.pem': member.pem, 'keystore/a_sk': await keyOf(stranger), 'keystore/b': 'junk' })
  await expect(loadLocalMsp(folder, { mspId: MSP_ID })).rejects.toThrow(/keystore: no private key of the signing certificate: put it there/)
  await write({ 'keystore/c_sk': await keyOf(member) })
  const { identity, creator } = await loadLocalMsp(folder, { mspId: MSP_ID })
  expect(identity.validate()).toBeUndefined()
  expect(creator).toBe(identity.serialized)
})

it.each([
  ['config.yaml', 'NodeOUs: [', /config.yaml: is no YAML/],
  [
    'config.yaml',
    'NodeOUs: { Enable: true, PeerOUIdentifier: { Certificate: a.pem, OrganizationalUnitIdentifier: peer } }',
    /a\.pem: cannot be read/,
  ],
  [
    'intermediatecerts/other.pem',
    encodePem('CERTIFICATE', new Uint8Array(5)),
    /a CA: certificate \(fabric-msp\/bad-certificate\): mend or replace it/,
  ],
  ['signcerts/other.pem', encodePem('CERTIFICATE', new Uint8Array(5)), /signcerts: certificate: give a certificate of one of its CAs/],
])('says what is wrong with %s', async (file, text, message) => {
  await write({ [file]: text })
  const error: unknown = await loadLocalMsp(folder, { mspId: MSP_ID }).catch((cause: unknown) => cause)
  expect(error).toBeInstanceOf(KumikoError)
  expect(error).toMatchObject({ code: 'fabric-msp/bad-folder', message: expect.stringMatching(message) })
})

it('says which folder is missing', async () => {
  const message = async (path: string): Promise<unknown> =>
    await loadLocalMsp(path, { mspId: MSP_ID }).catch((error: unknown) => (error instanceof Error ? error.message : error))
  expect(await message(join(folder, 'none'))).toBe(`MSP folder ${join(folder, 'none')}: there is no such folder: correct the path`)
  expect(await message(folder)).toContain('it has no folder signcerts, as one of an organisation')
  await write({ 'above/msp/cacerts/ca.pem': 'junk', 'other/signcerts/a.pem': 'junk' })
  expect(await message(join(folder, 'above'))).toContain('it has no folder cacerts: give the folder msp in it')
  expect(await message(join(folder, 'above/msp'))).toContain('cacerts: no certificate in PEM')
  expect(await message(join(folder, 'above/msp/cacerts/ca.pem'))).toContain('it is a file: give the folder that has cacerts')
  expect(await message(join(folder, 'other'))).toContain('it has no folder cacerts: give another')
})

async function write(files: Readonly<Record<string, string | Uint8Array>>): Promise<void> {
  for (const [file, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, file)), { recursive: true })
    await writeFile(join(folder, file), content)
  }
}

async function keyOf({ keys }: Credential): Promise<string> {
  return encodePem('PRIVATE KEY', new Uint8Array(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)))
}
