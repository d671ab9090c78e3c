import { isFault, KumikoError } from '@kumiko/interface'
import { chaincodeServices } from '../connectors/chaincode-service.ts'
import { readPackage } from '../packages/chaincode-package.ts'
import type { InstallStore } from '../packages/install-store.ts'
import type { ChaincodeConnector } from '../runtime/connector.ts'
import type { ChaincodeBuilds } from './chaincode-builds.ts'
import type { PeerConnection } from './package-builder.ts'

/** What leads to installed chaincode. */
export interface BuiltChaincodesOptions {
  readonly store: Pick<InstallStore, 'has' | 'load'>
  readonly builds: Pick<ChaincodeBuilds, 'build' | 'server' | 'run'>
  /** What a chaincode that is run is told, so that it finds the peer's listener: with a certificate of its own where that has TLS. */
  readonly connection: (packageId: string) => PeerConnection | Promise<PeerConnection>
}

/**
 * Has installed packages running: those that serve are dialed, the others are run by their builder. One that was not built yet is built first.
 * @see Fabric `core/container/container.go` Router
 */
export function builtChaincodes({ store, builds, connection }: BuiltChaincodesOptions): ChaincodeConnector {
  const services = chaincodeServices((packageId) => builds.server(packageId))
  return {
    runs: (packageId) => store.has(packageId),
    launch: async (packageId, streams, signal) => {
      const source = await store.load(packageId)
      const package_ = source && (await readPackage(source))
      if (package_ === undefined || isFault(package_)) {
        const why = package_?.detail ?? 'it is not installed'
        throw new KumikoError('fabric-chaincode/not-built', `failed to get chaincode package for external build: ${why}`)
      }
      await builds.build(packageId, package_)
      if (await services.runs(packageId)) await services.launch(packageId, streams, signal)
      else await builds.run(packageId, await connection(packageId), signal)
    },
  }
}
