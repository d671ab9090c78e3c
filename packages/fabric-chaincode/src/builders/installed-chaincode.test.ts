import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { packageChaincode } from '../packages/write-package.ts'
import { openInstalledChaincode } from './installed-chaincode.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kumiko-installed-'))
})
afterEach(() => rm(folder, { recursive: true }))

const connection = () => ({ address: '127.0.0.1:7052' })

describe('installed chaincode', () => {
  it('is there, built and with its indexes, after the peer starts again', async () => {
    const definition = '{"index":{"fields":["owner"]}}'
    const files = new Map([
      ['connection.json', '{"address":"127.0.0.1:9999"}'],
      ['META-INF/statedb/couchdb/indexes/owner.json', definition],
    ])
    const { packageId, bytes } = await packageChaincode({ label: 'assets', type: 'ccaas', files })
    const before = await openInstalledChaincode({ folder, connection })
    await before.installer.install(bytes)
    before.stop()
    const { installer, connector, indexes } = await openInstalledChaincode({ folder, connection })
    expect(installer.list()).toEqual([{ packageId, label: 'assets' }])
    expect(await connector.runs(packageId)).toBe(true)
    expect(await indexes(packageId)).toEqual([{ collection: undefined, name: 'META-INF/statedb/couchdb/indexes/owner.json', definition }])
    expect(await readdir(join(folder, 'lifecycle', 'chaincodes'))).toEqual([`${packageId.replace(':', '.')}.tar.gz`])
    expect(await readdir(join(folder, 'externalbuilder', 'builds'))).toEqual([packageId.replace(':', '-')])
  })

  it('is not kept where nobody builds it', async () => {
    const { installer } = await openInstalledChaincode({ folder, connection })
    const { bytes } = await packageChaincode({ label: 'assets', type: 'golang', files: new Map([['src/main.go', '']]) })
    await expect(installer.install(bytes)).rejects.toThrow(/^could not build chaincode: no builder knows what to do with 'assets:/)
    expect(installer.list()).toEqual([])
  })
})
