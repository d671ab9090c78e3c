// Usage: filter-writer.ts <folder>. A Host that edits address filters and bans for ever, and tells on stdout the number of each edit that it was
// told is kept.
import { connectionManager } from '@kumiko/connection-manager'
import { createHost } from '@kumiko/host'
import { nodeDb } from '@kumiko/node-db'

const [path = ''] = process.argv.slice(2)
const { connectionManager: manager } = await createHost({
  datastore: nodeDb({ path }),
  connectionManager: connectionManager({ addressFilters: { persist: true }, persistBans: true }),
  start: true,
})
for (let i = 0; ; i++) {
  manager.addressFilters.addFilter(`10.${i >> 8}.${i & 255}.0/24`, 'deny')
  manager.ban(`11.${i >> 8}.${i & 255}.0/24`)
  await manager.flush()
  process.stdout.write(`${i}\n`)
}
