import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ConfigError } from '../config/config-error.ts'
import { CORE_KEYS } from './core-config.ts'
import { coreVariable, type LoadedCore, loadCoreConfig } from './core-file.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kumiko-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true })
})

async function load(yaml: string, env: Readonly<Record<string, string>> = {}): Promise<LoadedCore> {
  await writeFile(join(folder, 'core.yaml'), yaml)
  return await loadCoreConfig({ env: { ...env, FABRIC_CFG_PATH: folder } })
}

async function lines(yaml: string, env: Readonly<Record<string, string>> = {}): Promise<string[]> {
  try {
    await load(yaml, env)
  } catch (error) {
    if (error instanceof ConfigError) return error.lines.map((line) => line.replaceAll(`${folder}/`, ''))
    throw error
  }
  return []
}

test("an empty file leaves Fabric's defaults", async () => {
  const { config, unused } = await load('')
  expect(config).toMatchObject({
    'peer.id': 'jdoe',
    'peer.localMspId': 'SampleOrg',
    'peer.mspConfigPath': undefined,
    'peer.tls.enabled': false,
    'peer.tls.clientRootCAs.files': [],
    'peer.deliveryclient.connTimeout': 3_000,
    'peer.deliveryclient.reconnectTotalTimeThreshold': 3_600_000,
    'ledger.state.stateDatabase': 'goleveldb',
    'ledger.history.enableHistoryDatabase': true,
    'ledger.pvtdataStore.purgeInterval': 100,
    'peer.validatorPoolSize': availableParallelism(),
  })
  expect(config['ledger.snapshots.rootDir']).toBe(join(config['peer.fileSystemPath'], 'snapshots'))
  expect(Object.keys(config).sort()).toEqual([...CORE_KEYS].sort())
  expect(unused).toEqual([])
})

test('the file is read: keys in any case, paths from its folder, what kumiko does not use is told', async () => {
  const { config, path, unused } = await load(`
peer:
  ID: one
  LOCALMSPID: Org1MSP
  mspConfigPath: msp
  fileSystemPath: /data
  validatorPoolSize: 3
  gossip: { bootstrap: 127.0.0.1:7051, election: { startupGracePeriod: 15s } }
  tls:
    enabled: true
    cert: { file: tls/server.crt }
    clientRootCAs: { files: [ tls/ca.crt, /etc/ca.crt ] }
  deliveryclient:
    connTimeout: 1m30s
    reConnectBackoffThreshold: 2000000
    addressOverrides:
      - { from: orderer:7050, to: 127.0.0.1:7050, CACertsFile: ca.pem }
ledger:
  state: { stateDatabase: CouchDB, couchDBConfig: { maxRetries: '7' } }
  blockchain:
`)
  expect(path).toBe(join(folder, 'core.yaml'))
  expect(config).toMatchObject({
    'peer.id': 'one',
    'peer.localMspId': 'Org1MSP',
    'peer.mspConfigPath': join(folder, 'msp'),
    'peer.fileSystemPath': '/data',
    'peer.validatorPoolSize': 3,
    'peer.tls.enabled': true,
    'peer.tls.cert.file': join(folder, 'tls/server.crt'),
    'peer.tls.clientRootCAs.files': [join(folder, 'tls/ca.crt'), '/etc/ca.crt'],
    'peer.deliveryclient.connTimeout': 90_000,
    'peer.deliveryclient.reConnectBackoffThreshold': 2,
    'peer.deliveryclient.addressOverrides': [{ from: 'orderer:7050', to: '127.0.0.1:7050', caCertsFile: join(folder, 'ca.pem') }],
    'ledger.state.stateDatabase': 'CouchDB',
    'ledger.state.couchDBConfig.maxRetries': 7,
    'ledger.snapshots.rootDir': '/data/snapshots',
  })
  expect(unused).toEqual(['peer.gossip.bootstrap', 'peer.gossip.election.startupGracePeriod', 'ledger.blockchain'])
})

test('the environment overrides the file, an empty variable does not, and the flag overrides both', async () => {
  expect(coreVariable('peer.tls.clientRootCAs.files')).toBe('CORE_PEER_TLS_CLIENTROOTCAS_FILES')
  const env = {
    CORE_PEER_LOCALMSPID: 'Org2MSP',
    CORE_PEER_ID: '',
    CORE_PEER_TLS_ENABLED: 'T',
    CORE_PEER_TLS_CLIENTROOTCAS_FILES: 'a.pem b.pem',
    CORE_PEER_MSPCONFIGPATH: '../msp',
    CORE_LEDGER_STATE_COUCHDBCONFIG_REQUESTTIMEOUT: '1s',
    CORE_PEER_FILESYSTEMPATH: '/env',
  }
  const { config } = await load('peer: { id: file, localMspId: Org1MSP }', env)
  expect(config).toMatchObject({
    'peer.id': 'file',
    'peer.localMspId': 'Org2MSP',
    'peer.tls.enabled': true,
    'peer.tls.clientRootCAs.files': [join(folder, 'a.pem'), join(folder, 'b.pem')],
    'peer.mspConfigPath': join(folder, '../msp'),
    'ledger.state.couchDBConfig.requestTimeout': 1000,
    'peer.fileSystemPath': '/env',
  })
  const flagged = await loadCoreConfig({ env: { ...env, FABRIC_CFG_PATH: folder }, dataDir: '/flag' })
  expect(flagged.config['peer.fileSystemPath']).toBe('/flag')
})

test('all that is wrong is told at once: where, which key, and what is wanted', async () => {
  const yaml = 'peer:\n  tls:\n    enabled: maybe\n  validatorPoolSize: -1\nledger:\n  state: { stateDatabase: couch }\n  history: on\n'
  expect(await lines(yaml, { CORE_PEER_DELIVERYCLIENT_CONNTIMEOUT: 'soon' })).toEqual([
    'core.yaml:7: ledger.history: want keys and values, not "on"',
    'core.yaml:3: peer.tls.enabled: want true or false, not "maybe"',
    'core.yaml:4: peer.validatorPoolSize: want a whole number from 0 to 1024, not -1',
    'CORE_PEER_DELIVERYCLIENT_CONNTIMEOUT: peer.deliveryclient.connTimeout: want a duration as 30s or 1h30m, not "soon"',
    'core.yaml:6: ledger.state.stateDatabase: want goleveldb or CouchDB, not "couch"',
  ])
  expect(await lines('peer: [')).toEqual([expect.stringMatching(/^core\.yaml:\d+:\d+: not valid YAML or JSON: /)])
  expect(await lines('[1]')).toEqual(['core.yaml: want keys and values, not [1]'])
})

test('a folder without core.yaml', async () => {
  const empty = join(folder, 'empty')
  await mkdir(empty)
  await expect(loadCoreConfig({ env: { FABRIC_CFG_PATH: empty } })).rejects.toThrow(
    /FABRIC_CFG_PATH is ".*empty", where there is no core.yaml/,
  )
})

test('maps that hold themselves end nothing', async () => {
  expect((await load('peer: &peer\n  id: x\n  again: *peer\n')).config['peer.id']).toBe('x')
})
