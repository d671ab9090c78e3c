import { isFault, KumikoError } from '@kumiko/interface'
import { type ChaincodePackage, packageId, readPackage } from './chaincode-package.ts'
import type { InstallStore } from './install-store.ts'
import type { InstalledPackage, PackageInstaller } from './installed-package.ts'

/** What installing needs. */
export interface PackageInstallerOptions {
  readonly store: InstallStore
  /** Makes a package ready to run. What it throws keeps the package from being installed. Default: nothing is made. */
  readonly build?: (installed: InstalledPackage, package_: ChaincodePackage) => Promise<void>
  /** Told of each package that was installed. */
  readonly onInstalled?: (installed: InstalledPackage, package_: ChaincodePackage) => void
}

/**
 * Installs packages into a store: one that cannot be built is not kept.
 * @see Fabric `core/chaincode/lifecycle/lifecycle.go` InstallChaincode
 */
export function packageInstaller({ store, build, onInstalled }: PackageInstallerOptions): PackageInstaller {
  /** By id: those that are on their way, so that nobody installs one twice. Bounded by the peer's clients at a time. */
  const installing = new Map<string, Promise<unknown>>()

  const make = async (source: Uint8Array, package_: ChaincodePackage): Promise<InstalledPackage> => {
    const installed = await store.save(package_.metadata.label, source).catch((error: unknown) => {
      throw refused('not-saved', `could not save cc install package: ${wordsOf(error)}`, error)
    })
    try {
      await build?.(installed, package_)
    } catch (error) {
      await store.delete(installed.packageId)
      throw refused('not-built', `could not build chaincode: ${wordsOf(error)}`, error)
    }
    onInstalled?.(installed, package_)
    return installed
  }

  return {
    list: () => store.list().filter(({ packageId }) => !installing.has(packageId)),
    load: (packageId) => store.load(packageId),
    install: async (source) => {
      const package_ = await readPackage(source)
      if (isFault(package_)) throw refused('bad-package', `could not parse as a chaincode install package: ${package_.detail}`)
      const id = packageId(package_.metadata.label, source)
      for (let before = installing.get(id); before !== undefined; before = installing.get(id)) await before.catch(() => {})
      if (store.has(id)) throw refused('installed', `chaincode already successfully installed (package ID '${id}')`)
      const making = make(source, package_)
      installing.set(id, making)
      try {
        return await making
      } finally {
        installing.delete(id)
      }
    },
  }
}

function refused(code: string, message: string, cause?: unknown): KumikoError {
  return new KumikoError(`fabric-chaincode/${code}`, message, { cause })
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
