import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { connectionManager } from '@kumiko/connection-manager'
import { createHost } from '@kumiko/host'
import { nodeDb } from '@kumiko/node-db'
import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, beforeEach, expect, test } from 'vitest'

const EDITS = 40

let folder: string
let child: ChildProcess | undefined

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kumiko-filters-'))
})

afterEach(async () => {
  child?.kill('SIGKILL')
  await rm(folder, { recursive: true })
})

test('what flush has acknowledged of filters and bans is there after kill -9', async () => {
  const path = join(folder, 'db')
  const writer = spawn(process.execPath, ['--conditions=@kumiko/source', join(import.meta.dirname, 'filter-writer.ts'), path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  child = writer
  let told = -1
  for await (const line of createInterface({ input: writer.stdout })) {
    told = Number(line)
    if (told >= EDITS) writer.kill('SIGKILL')
  }
  if (writer.signalCode === null) await once(writer, 'close')
  expect([told >= EDITS, writer.signalCode]).toEqual([true, 'SIGKILL'])
  const host = await createHost({
    datastore: nodeDb({ path }),
    connectionManager: connectionManager({ addressFilters: { persist: true }, persistBans: true }),
    start: true,
  })
  const numbers = Array.from({ length: told + 1 }, (_, i) => i)
  const { addressFilters } = host.connectionManager
  expect(numbers.filter((i) => !addressFilters.isBlocked(`/ip4/10.${i >> 8}.${i & 255}.7/tcp/1`))).toEqual([])
  expect(numbers.filter((i) => !host.connectionManager.isBanned(multiaddr(`/ip4/11.${i >> 8}.${i & 255}.7/tcp/1`)))).toEqual([])
  await host.stop()
})
