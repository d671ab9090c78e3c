import { join } from 'node:path'
import type { FileSystem } from '@kumiko/fabric-ledger'
import { type Clock, isFault } from '@kumiko/interface'
import { readCode, readPackage } from '../packages/chaincode-package.ts'
import { InstallStore } from '../packages/install-store.ts'
import type { PackageInstaller } from '../packages/installed-package.ts'
import { type PackageInstallerOptions, packageInstaller } from '../packages/package-installer.ts'
import { type StateIndex, stateIndexes } from '../packages/state-indexes.ts'
import type { ChaincodeConnector } from '../runtime/connector.ts'
import { type BuiltChaincodesOptions, builtChaincodes } from './built-chaincodes.ts'
import { ccaasBuilder } from './ccaas-builder.ts'
import { ChaincodeBuilds } from './chaincode-builds.ts'
import type { PackageBuilder } from './package-builder.ts'

/** Where installed chaincode is, and how it comes to run. */
export interface InstalledChaincodeOptions
  extends Pick<BuiltChaincodesOptions, 'connection'>,
    Pick<PackageInstallerOptions, 'onInstalled'> {
  /** The peer's: packages are in `lifecycle/chaincodes`, builds in `externalbuilder/builds`, as Fabric has them. */
  readonly folder: string
  /** Asked in this order. Default: that of chaincode as a service alone. */
  readonly builders?: readonly PackageBuilder[]
  /** As of {@link ChaincodeBuilds}. */
  readonly buildTimeoutMs?: number
  /** Of packages. Default: the system's own. */
  readonly fileSystem?: FileSystem
  /** Default: the system's. */
  readonly clock?: Clock
}

/** Packages of a peer, from being installed to being run. */
export interface InstalledChaincode {
  readonly installer: PackageInstaller
  readonly connector: ChaincodeConnector
  /** The indexes that a package brings: those that its builder released, or else those of its code. */
  indexes(packageId: string): Promise<readonly StateIndex[]>
  /** Ends what is built and what is run, for good. */
  stop(): void
}

/** Opens the folders, or makes them. @throws As {@link InstallStore.open} and {@link ChaincodeBuilds.open}. */
export async function openInstalledChaincode(options: InstalledChaincodeOptions): Promise<InstalledChaincode> {
  const { folder, builders = [ccaasBuilder()], buildTimeoutMs, fileSystem, clock, connection, onInstalled } = options
  const store = await InstallStore.open({ folder: join(folder, 'lifecycle', 'chaincodes'), ...(fileSystem && { fileSystem }) })
  const builds = await ChaincodeBuilds.open({
    folder: join(folder, 'externalbuilder', 'builds'),
    builders,
    ...(buildTimeoutMs !== undefined && { buildTimeoutMs }),
    ...(clock && { clock }),
  })
  return {
    installer: packageInstaller({
      store,
      build: ({ packageId }, package_) => builds.build(packageId, package_),
      ...(onInstalled && { onInstalled }),
    }),
    connector: builtChaincodes({ store, builds, connection }),
    indexes: async (packageId) => {
      const released = await builds.indexes(packageId)
      return released.length > 0 ? released : await packedIndexes(await store.load(packageId))
    },
    stop: () => builds.stop(),
  }
}

async function packedIndexes(source: Uint8Array | undefined): Promise<readonly StateIndex[]> {
  const package_ = source && (await readPackage(source))
  const files = package_ === undefined || isFault(package_) ? [] : await readCode(package_.code)
  return isFault(files) ? [] : stateIndexes(files)
}
