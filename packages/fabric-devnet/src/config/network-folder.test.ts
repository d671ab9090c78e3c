import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadLocalMsp } from '@kumiko/fabric-msp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { Organization, type OrganizationOptions } from '../crypto/organization.ts'
import { readOrganization } from '../crypto/organization-folder.ts'
import { writeNetworkFolder } from './network-folder.ts'

const validity = { notBefore: Date.UTC(2020, 0), notAfter: Date.UTC(2040, 0) }
const ORG1: OrganizationOptions = {
  kind: 'peer',
  mspId: 'Org1MSP',
  domain: 'org1.example.com',
  nodes: ['peer0'],
  users: ['User1'],
  ...validity,
}
const ORDERER: OrganizationOptions = {
  kind: 'orderer',
  mspId: 'OrdererMSP',
  domain: 'example.com',
  nodes: ['orderer'],
  users: [],
  ...validity,
}

let folder = ''
let organization: Organization

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "devnet's "))
  organization = await Organization.create(ORG1)
  await writeNetworkFolder(folder, {
    channelId: 'mychannel',
    organizations: [{ organization, peers: [{ name: 'peer0.org1.example.com', address: 'localhost:7051' }] }],
    ordererOrganization: await Organization.create(ORDERER),
    orderers: [{ name: 'orderer.example.com', address: 'localhost:7050' }],
  })
})

afterAll(() => rm(folder, { recursive: true, force: true }))

describe('writeNetworkFolder', () => {
  it('writes MSPs that peers, orderers and clients can be started with', async () => {
    const home = join(folder, 'organizations')
    const msps = [
      ['Org1MSP', 'peerOrganizations/org1.example.com/peers/peer0.org1.example.com/msp'],
      ['Org1MSP', 'peerOrganizations/org1.example.com/users/User1@org1.example.com/msp'],
      ['OrdererMSP', 'ordererOrganizations/example.com/orderers/orderer.example.com/msp'],
    ] as const
    for (const [mspId, path] of msps) {
      const { identity } = await loadLocalMsp(join(home, path), { mspId })
      expect(identity.validate()).toBeUndefined()
    }
  })

  it('writes connection profiles, the same in JSON and YAML', async () => {
    const name = join(folder, 'organizations/peerOrganizations/org1.example.com/connection-org1')
    const profile = JSON.parse(await readFile(`${name}.json`, 'utf8'))
    expect(parse(await readFile(`${name}.yaml`, 'utf8'))).toEqual(profile)
    expect(profile.peers['peer0.org1.example.com']).toEqual({
      url: 'grpcs://localhost:7051',
      tlsCACerts: { pem: organization.tlsCa.certificate },
      grpcOptions: { 'ssl-target-name-override': 'peer0.org1.example.com', hostnameOverride: 'peer0.org1.example.com' },
    })
  })

  it('writes identities as file wallets have them', async () => {
    const entry = JSON.parse(await readFile(join(folder, 'wallets/Org1MSP/User1.id'), 'utf8'))
    const { certificate, privateKey } = organization.user('User1')!.identity
    expect(entry).toEqual({ credentials: { certificate, privateKey }, mspId: 'Org1MSP', type: 'X.509', version: 1 })
  })

  it('writes an environment that a shell reads, whose files are there', () => {
    const script = `. "$1"; cat "$CORE_PEER_TLS_ROOTCERT_FILE" "$CORE_PEER_TLS_CLIENTCERT_FILE" "$CORE_PEER_TLS_CLIENTKEY_FILE" "$ORDERER_CA" "$FABRIC_CFG_PATH/core.yaml" >/dev/null && ls "$CORE_PEER_MSPCONFIGPATH"`
    const listed = execFileSync('sh', ['-c', script, 'sh', join(folder, 'env/Org1MSP.sh')], { encoding: 'utf8' })
    expect(listed.trim().split('\n')).toEqual(['cacerts', 'config.yaml', 'keystore', 'signcerts', 'tlscacerts'])
  })
})

describe('readOrganization', () => {
  it('gives what was written, and goes on enrolling', async () => {
    const read = await readOrganization(join(folder, 'organizations/peerOrganizations/org1.example.com'), ORG1)
    expect(read?.users).toEqual(organization.users)
    expect(read?.nodes).toEqual(organization.nodes)
    expect((await read?.enrol('bob'))?.name).toBe('bob@org1.example.com')
    expect(read?.mspConfig).toEqual(organization.mspConfig)
  })

  it('gives nothing where nothing was written', async () => {
    expect(await readOrganization(join(folder, 'nowhere'), ORG1)).toBeUndefined()
  })
})
