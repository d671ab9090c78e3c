import { readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { type ContractClass, type Devnet, devnet } from '@kumiko/fabric-devnet'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { cli, type Outcome, temporaryFolder } from './cli.ts'

const { contracts } = createRequire(import.meta.url)('./contract') as { readonly contracts: readonly [ContractClass] }

/** What Fabric calls a common connection profile, as far as the tests change it. */
interface Profile {
  readonly channels: { readonly mychannel: { orderers: readonly string[] } }
  readonly peers: Readonly<Record<string, { url: string }>>
}

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let network: Devnet
let home = ''

beforeAll(async () => {
  folder = await temporaryFolder()
  const policy = "AND('Org1MSP.peer', 'Org2MSP.peer')"
  network = await devnet({ folder: join(folder.path, 'network'), orgs: 2, contracts: { assets: { contract: contracts[0], policy } } })
  home = join(network.folder, 'organizations/peerOrganizations/org1.example.com')
})

afterAll(async () => {
  await network?.stop()
  await folder?.[Symbol.asyncDispose]()
})

/** Runs `kumiko fabric …` as Org1's admin, who is told of no address and no CA but by the profile. */
async function fabric(...args: readonly string[]): Promise<Outcome> {
  const env = { CORE_PEER_LOCALMSPID: 'Org1MSP', CORE_PEER_MSPCONFIGPATH: join(home, 'users/Admin@org1.example.com/msp') }
  return await cli(['fabric', ...args], { env, cwd: folder.path })
}

function done(stdout: RegExp): Outcome {
  return { exitCode: 0, stdout: expect.stringMatching(stdout) as string, stderr: '' }
}

test("the network's own profile says whom to ask: to endorse, to order, to query", async () => {
  const [yaml, json] = ['yaml', 'json'].map((ending) => ['--connectionProfile', join(home, `connection-org1.${ending}`)])
  const call = ['-C', 'mychannel', '-n', 'assets']
  const put = await fabric('chaincode', 'invoke', ...call, '-c', '{"Args":["put","car","alice"]}', '--waitForEvent', ...(yaml ?? []))
  expect(put).toEqual(
    done(/(txid .* committed with status \(VALID\) at localhost:\d+\n){2}Chaincode invoke successful. result: status:200\n/),
  )
  expect(await fabric('chaincode', 'query', ...call, '-c', '{"Args":["get","car"]}', ...(json ?? []))).toEqual(done(/^alice\n$/))

  const lifecycle = (command: string, ...args: readonly string[]) => fabric('lifecycle', 'chaincode', command, ...args, ...(yaml ?? []))
  const next = ['-C', 'mychannel', '-n', 'assets', '-v', '2.0', '--sequence', '2']
  expect(await lifecycle('querycommitted', '-C', 'mychannel')).toEqual(done(/Name: assets, Version: 1\.0/))
  expect(await lifecycle('approveformyorg', ...next)).toEqual(done(/^txid .* committed with status \(VALID\) at localhost:\d+\n$/))
  expect(await lifecycle('checkcommitreadiness', ...next)).toEqual(done(/Org1MSP: true\nOrg2MSP: false\n/))
  expect(await lifecycle('queryinstalled')).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('--targetPeer must be specified') as string,
  })
  expect(await lifecycle('queryinstalled', '--targetPeer', 'peer0.org1.example.com')).toEqual(done(/^Installed chaincodes on peer:\n/))
})

test('a profile without orderers leaves them to the channel; a peer that is not there is told of', async () => {
  const profile = JSON.parse(await readFile(join(home, 'connection-org1.json'), 'utf8')) as Profile
  profile.channels.mychannel.orderers = []
  const file = join(folder.path, 'profile.yaml')
  await writeFile(file, stringify(profile))
  const invoke = ['chaincode', 'invoke', '-C', 'mychannel', '-n', 'assets', '-c', '{"Args":["put","car","bob"]}', '--connectionProfile']
  const tls = ['--tls', '--cafile', join(network.folder, 'organizations/ordererOrganizations/example.com/tlsca/tlsca.example.com-cert.pem')]
  expect(await fabric(...invoke, file, ...tls)).toEqual(done(/^Chaincode invoke successful/))
  for (const peer of Object.values(profile.peers)) peer.url = 'localhost'
  await writeFile(file, stringify(profile))
  expect(await fabric(...invoke, 'profile.yaml')).toEqual({
    exitCode: 1,
    stdout: '',
    stderr: expect.stringMatching(
      /^(kumiko: profile\.yaml:\d+: peers\.peer0\.org\d\.example\.com\.url: want grpcs:\/\/host:port, not "localhost"\n){2}$/,
    ) as string,
  })
  expect(await fabric(...invoke, 'none.yaml')).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining('"none.yaml" (ENOENT)') as string,
  })
  expect(await fabric(...invoke, file, '--peerAddresses', 'localhost:1')).toMatchObject({
    exitCode: 2,
    stderr: 'kumiko: give --connectionProfile or --peerAddresses, not both\n',
  })
})
