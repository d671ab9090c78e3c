import { KumikoError } from '@kumiko/interface'
import { describe, expect, it } from 'vitest'
import { withFolder } from '../../test/golden.ts'
import { MemoryFileSystem } from '../../test/memory-file-system.ts'
import { SnapshotRequests } from './snapshot-requests.ts'

describe('SnapshotRequests', () => {
  it('are kept, in order, until they are fulfilled or cancelled', async () => {
    const disk = new MemoryFileSystem()
    const requests = await SnapshotRequests.open('/r', disk)
    expect([await requests.submit(60n, 54n), await requests.submit(55n, 54n), await requests.submit(0n, 54n)]).toEqual([60n, 55n, 53n])
    expect(requests.pending).toEqual([53n, 55n, 60n])
    await requests.cancel(60n)
    disk.losePower()
    const again = await SnapshotRequests.open('/r', disk)
    const taken: bigint[] = []
    const take = async (number: bigint) => taken.push(number)
    for (const height of [54n, 54n, 55n, 56n, 57n]) await again.fulfil(height, take)
    expect([taken, again.pending, (await SnapshotRequests.open('/r', disk)).pending]).toEqual([[53n, 55n], [], []])
  })

  it('are refused where they cannot be fulfilled, or are there', async () => {
    const requests = await SnapshotRequests.open('/r', new MemoryFileSystem())
    const code = (name: string) => ({ code: `fabric-ledger/${name}` })
    await expect(requests.submit(0n, 0n)).rejects.toMatchObject(code('snapshot-too-late'))
    await expect(requests.submit(52n, 54n)).rejects.toMatchObject(code('snapshot-too-late'))
    await requests.submit(53n, 54n)
    await expect(requests.submit(0n, 54n)).rejects.toMatchObject(code('snapshot-requested'))
    await expect(requests.cancel(54n)).rejects.toMatchObject(code('no-snapshot-request'))
    for (let number = 100n; requests.pending.length < 1000; number++) await requests.submit(number, 54n)
    await expect(requests.submit(54n, 54n)).rejects.toMatchObject(code('too-many-snapshot-requests'))
  })

  it('are gone where the snapshot fails, and where it is there already', async () => {
    const requests = await SnapshotRequests.open('/r', new MemoryFileSystem())
    await requests.submit(53n, 54n)
    await expect(requests.fulfil(54n, () => Promise.reject(new Error('full')))).rejects.toThrow('full')
    await requests.submit(53n, 54n)
    await requests.fulfil(54n, () => Promise.reject(new KumikoError('fabric-ledger/snapshot-exists', 'it is there')))
    expect(requests.pending).toEqual([])
  })

  it('are made and taken back all at once, on a real disk', async () => {
    await withFolder(async (folder) => {
      const requests = await SnapshotRequests.open(folder)
      await requests.submit(60n, 54n)
      await Promise.all([...[70n, 80n, 90n].map((number) => requests.submit(number, 54n)), requests.cancel(60n)])
      expect(requests.pending).toEqual([70n, 80n, 90n])
      await expect(Promise.all([requests.submit(95n, 54n), requests.submit(95n, 54n)])).rejects.toMatchObject({
        code: 'fabric-ledger/snapshot-requested',
      })
      expect((await SnapshotRequests.open(folder)).pending).toEqual([70n, 80n, 90n, 95n])
      // One is taken back while it is fulfilled.
      await requests.fulfil(71n, () => requests.cancel(70n))
      expect(requests.pending).toEqual([80n, 90n, 95n])
    })
  })

  it('outlive a crash at any step: the old list or the new one', async () => {
    for (let steps = 0; ; steps++) {
      const disk = new MemoryFileSystem()
      await (await SnapshotRequests.open('/r', disk)).submit(60n, 54n)
      const requests = await SnapshotRequests.open('/r', disk)
      disk.changesLeft = steps
      const isDone = await requests.submit(70n, 54n).then(
        () => true,
        () => false,
      )
      disk.restart()
      disk.losePower()
      const { pending } = await SnapshotRequests.open('/r', disk)
      if (pending.length === 1) expect([pending, isDone]).toEqual([[60n], false])
      else expect(pending).toEqual([60n, 70n])
      if (isDone) return expect(steps).toBeGreaterThan(3)
    }
  })

  it('say where their file is none', async () => {
    const disk = new MemoryFileSystem()
    await (await disk.open('/r/requests.json')).write(Buffer.from('{}'), 0)
    await expect(SnapshotRequests.open('/r', disk)).rejects.toMatchObject({ code: 'fabric-ledger/corrupt-snapshot-requests' })
  })
})
