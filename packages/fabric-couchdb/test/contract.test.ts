import { stateDatabaseContract } from '@kumiko/fabric-ledger/testing'
import { afterAll, describe, it } from 'vitest'
import { couchStateDatabase } from '../src/couch-state-database.ts'
import { couchServer } from './couch-server.ts'

const server = await couchServer()
afterAll(() => server.close())
let count = 0

stateDatabaseContract(
  { describe, it },
  async () => {
    const open = couchStateDatabase({ url: server.url, channelId: `channel${count++}`, internalQueryLimit: 100 })
    return { database: await open(''), reopen: () => open('') }
  },
  { holds: (key) => !key.startsWith('_'), isIsolated: false },
)
