import { join } from 'node:path'
import { type FileSystem, nodeFileSystem } from '@kumiko/fabric-ledger'
import { compareUtf8, sha256, toHex } from '@kumiko/fabric-protocol'
import { KumikoError } from '@kumiko/interface'
import { labelProblem, packageId } from './chaincode-package.ts'
import type { InstalledPackage, InstalledPackages } from './installed-package.ts'

/** Where packages are kept. */
export interface InstallStoreOptions {
  /** For packages alone: Fabric's is `lifecycle/chaincodes` in the peer's folder. */
  readonly folder: string
  /** Default: the system's own. */
  readonly fileSystem?: FileSystem
}

const PACKAGE_FILE = /^(.+)\.([0-9a-f]{64})\.tar\.gz$/

/** Files that are being written; a crash leaves them. */
const PARTIAL_PREFIX = '.ccpackage.'

/**
 * Packages on a disk, each a file that is named for its id. A package that {@link save} returned for outlives a loss of power; one that a
 * crash cut off is not there. Bounded by what the peer's administrator installs.
 * @see Fabric `core/chaincode/persistence/persistence.go`
 */
export class InstallStore implements InstalledPackages {
  readonly #folder: string
  readonly #fileSystem: FileSystem
  readonly #installed: Map<string, InstalledPackage>
  #written = 0

  private constructor(folder: string, fileSystem: FileSystem, installed: Map<string, InstalledPackage>) {
    this.#folder = folder
    this.#fileSystem = fileSystem
    this.#installed = installed
  }

  /** Opens the store, or begins one, and removes what a crash left. Files that are no packages are passed over. */
  static async open({ folder, fileSystem = nodeFileSystem }: InstallStoreOptions): Promise<InstallStore> {
    await fileSystem.makeFolder(folder)
    const installed = new Map<string, InstalledPackage>()
    for (const name of await fileSystem.list(folder)) {
      if (name.startsWith(PARTIAL_PREFIX)) await fileSystem.remove(join(folder, name))
      const [, label, hash] = PACKAGE_FILE.exec(name) ?? []
      if (label === undefined || labelProblem(label) !== undefined) continue
      installed.set(`${label}:${hash}`, { packageId: `${label}:${hash}`, label })
    }
    return new InstallStore(folder, fileSystem, installed)
  }

  list(): readonly InstalledPackage[] {
    return [...this.#installed.values()].sort((a, b) => compareUtf8(a.packageId, b.packageId))
  }

  has(packageId: string): boolean {
    return this.#installed.has(packageId)
  }

  /**
   * Keeps a package; one that is there already stays.
   * @param label - That its metadata has.
   * @throws KumikoError `fabric-chaincode/bad-label`; what the disk throws: the package is not there then.
   */
  async save(label: string, source: Uint8Array): Promise<InstalledPackage> {
    const problem = labelProblem(label)
    if (problem !== undefined) throw new KumikoError('fabric-chaincode/bad-label', problem, { context: { label } })
    const installed = { packageId: packageId(label, source), label }
    if (this.#installed.has(installed.packageId)) return installed
    await this.#write(this.#pathOf(installed.packageId), source)
    this.#installed.set(installed.packageId, installed)
    return installed
  }

  /**
   * A package's bytes; undefined where it is not installed.
   * @throws KumikoError `fabric-chaincode/corrupt-package` where they are not those that its id names; what the disk throws.
   */
  async load(packageId: string): Promise<Uint8Array | undefined> {
    if (!this.#installed.has(packageId)) return
    const path = this.#pathOf(packageId)
    const file = await this.#fileSystem.openToRead(path)
    try {
      const source = await file.read(0, await file.size())
      if (packageId.endsWith(`:${toHex(sha256(source))}`)) return source
    } finally {
      await file.close()
    }
    const message = `the package in "${path}" is not what its name says: remove the file, and install it again`
    throw new KumikoError('fabric-chaincode/corrupt-package', message, { context: { packageId, path } })
  }

  /** Removes a package; nothing where it is not installed. */
  async delete(packageId: string): Promise<void> {
    if (!this.#installed.delete(packageId)) return
    await this.#fileSystem.remove(this.#pathOf(packageId))
    await this.#fileSystem.syncFolder(this.#folder)
  }

  async #write(path: string, source: Uint8Array): Promise<void> {
    const partial = join(this.#folder, `${PARTIAL_PREFIX}${this.#written++}`)
    try {
      const file = await this.#fileSystem.open(partial)
      try {
        await file.truncate(0)
        await file.write(source, 0)
        await file.sync()
      } finally {
        await file.close()
      }
      await this.#fileSystem.rename(partial, path)
      await this.#fileSystem.syncFolder(this.#folder)
    } catch (error) {
      await this.#fileSystem.remove(partial).catch(() => {})
      throw error
    }
  }

  /** A label has no separators, nor has a hash. */
  #pathOf(packageId: string): string {
    return join(this.#folder, `${packageId.replace(':', '.')}.tar.gz`)
  }
}
