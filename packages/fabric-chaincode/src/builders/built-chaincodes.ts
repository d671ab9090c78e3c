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
 * Launching fails with Fabric's words, also where one that is run ends well: it should serve as long as the peer does.
 * @see Fabric `core/container/container.go` Router, `core/chaincode/runtime_launcher.go` Launch
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
        const words = `error building chaincode: error building image: failed to get chaincode package for external build: ${why}`
        throw new KumikoError('fabric-chaincode/not-built', words)
      }
      const serves = await within('error building chaincode', async () => {
        await within('error building image', () => builds.build(packageId, package_))
        return await services.runs(packageId)
      })
      if (serves) return await services.launch(packageId, streams, signal)
      const peer = await connection(packageId)
      await within('chaincode registration failed: failed to wait on container exit', () => builds.run(packageId, peer, signal))
      throw new KumikoError('fabric-chaincode/ended', 'chaincode registration failed: container exited with 0', { context: { packageId } })
    },
  }
}

/** Says where a launch failed, before why. */
async function within<T>(where: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    const { code, context } = error instanceof KumikoError ? error : { code: 'fabric-chaincode/not-built', context: {} }
    throw new KumikoError(code, `${where}: ${error instanceof Error ? error.message : String(error)}`, { cause: error, context })
  }
}
