import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type FileSystem, nodeFileSystem } from '@kumiko/fabric-ledger'
import { goldenFile } from '@kumiko/golden-channel'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { InstallStore } from './install-store.ts'
import { packageInstaller } from './package-installer.ts'

const golden = goldenFile('chaincode-package.tar.gz')
const installed = {
  packageId: 'golden_1.0:6b7193aaec23e3c9893a0bb59ab18dafb24dfcbe2729473458edcf02bdbc9874',
  label: 'golden_1.0',
}
const file = 'golden_1.0.6b7193aaec23e3c9893a0bb59ab18dafb24dfcbe2729473458edcf02bdbc9874.tar.gz'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kumiko-install-'))
})
afterEach(() => rm(folder, { recursive: true }))

/** A disk that works for so many calls, then never again: its process was killed. */
function killedAfter(calls: number): FileSystem {
  let left = calls
  const dying = <T extends object>(real: T): T =>
    new Proxy(real, {
      get: (target, name) => {
        const method: unknown = Reflect.get(target, name)
        if (typeof method !== 'function') return method
        return async (...args: unknown[]) => {
          const isDead = left-- <= 0
          // The system closes the files of those that were killed.
          if (isDead && name === 'close') await Reflect.apply(method, target, args)
          if (isDead) throw new Error('killed')
          const result: unknown = await Reflect.apply(method, target, args)
          return name === 'open' && typeof result === 'object' && result !== null ? dying(result) : result
        }
      },
    })
  return dying(nodeFileSystem)
}

describe('InstallStore', () => {
  it('keeps packages by their ids, as Fabric names the files', async () => {
    const store = await InstallStore.open({ folder })
    expect(store.list()).toEqual([])
    expect(await store.save('golden_1.0', golden)).toEqual(installed)
    expect(await store.save('golden_1.0', golden)).toEqual(installed)
    expect(await readdir(folder)).toEqual([file])
    const again = await InstallStore.open({ folder })
    expect(again.list()).toEqual([installed])
    expect(await again.load(installed.packageId)).toEqual(golden)
    await again.delete(installed.packageId)
    expect(again.list()).toEqual([])
    expect(await readdir(folder)).toEqual([])
  })

  it('passes over what is no package, and reads no file that it does not list', async () => {
    await writeFile(join(folder, 'notes.txt'), 'x')
    await mkdir(join(folder, 'a'))
    const store = await InstallStore.open({ folder })
    expect(store.list()).toEqual([])
    expect(await store.load('../notes:txt')).toBeUndefined()
    await expect(store.save('../a', golden)).rejects.toMatchObject({ code: 'fabric-chaincode/bad-label' })
  })

  it('tells of a file that is not what its name says', async () => {
    await writeFile(join(folder, file), 'x')
    const store = await InstallStore.open({ folder })
    await expect(store.load(installed.packageId)).rejects.toMatchObject({ code: 'fabric-chaincode/corrupt-package' })
  })

  it('has a package whole, or not at all, wherever the process was killed', async () => {
    const seen = new Set<number>()
    for (let calls = 2; calls < 12; calls++) {
      const dying = await InstallStore.open({ folder, fileSystem: killedAfter(calls) })
      const saved = await dying.save('golden_1.0', golden).catch(() => undefined)
      const store = await InstallStore.open({ folder })
      if (saved !== undefined) expect(store.list()).toEqual([installed])
      for (const { packageId } of store.list()) expect(await store.load(packageId)).toEqual(golden)
      expect((await readdir(folder)).filter((name) => name !== file)).toEqual([])
      seen.add(store.list().length)
      await store.delete(installed.packageId)
    }
    expect(seen).toEqual(new Set([0, 1]))
  })
})

describe('packageInstaller', () => {
  it('installs once, and says so to whoever tries again', async () => {
    const store = await InstallStore.open({ folder })
    const built: string[] = []
    const told: string[] = []
    const installer = packageInstaller({
      store,
      build: async ({ packageId }, { metadata }) => void built.push(`${packageId} ${metadata.type}`),
      onInstalled: ({ label }) => told.push(label),
    })
    const twice = await Promise.allSettled([installer.install(golden), installer.install(golden)])
    expect(twice.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    await expect(installer.install(golden)).rejects.toThrow(
      `chaincode already successfully installed (package ID '${installed.packageId}')`,
    )
    expect([built, told, installer.list()]).toEqual([[`${installed.packageId} ccaas`], ['golden_1.0'], [installed]])
    expect(await installer.load(installed.packageId)).toEqual(golden)
  })

  it('keeps nothing that is no package, or cannot be built', async () => {
    const store = await InstallStore.open({ folder })
    let isWorking = false
    const build = async () => {
      if (!isWorking) throw new Error('no builder')
    }
    const installer = packageInstaller({ store, build })
    await expect(installer.install(Uint8Array.of(1))).rejects.toThrow(
      'could not parse as a chaincode install package: error reading as gzip',
    )
    await expect(installer.install(golden)).rejects.toThrow('could not build chaincode: no builder')
    expect([installer.list(), await readdir(folder)]).toEqual([[], []])
    isWorking = true
    expect(await installer.install(golden)).toEqual(installed)
  })
})
