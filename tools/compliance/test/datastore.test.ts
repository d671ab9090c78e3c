import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type NodeDb, openNodeDb } from '@kumiko/node-db'
import { interfaceDatastoreTests } from 'interface-datastore-tests'
import { offerMocha } from './mocha.ts'

offerMocha()

interfaceDatastoreTests<NodeDb>({
  setup: async () => openNodeDb({ path: await mkdtemp(join(tmpdir(), 'kumiko-datastore-')) }),
  teardown: async (store) => {
    await store.close()
    await rm(store.path, { recursive: true })
  },
})
