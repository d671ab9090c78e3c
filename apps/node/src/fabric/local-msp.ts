import { type LocalMsp, loadLocalMsp } from '@kumiko/fabric-msp'
import { KumikoError } from '@kumiko/interface'
import type { CoreConfig } from './core-config.ts'

/**
 * Who we are, as `core.yaml` says.
 * @returns Undefined where it names no MSP.
 * @throws KumikoError As `loadLocalMsp`, with the key that names the folder.
 */
export async function localMspOf(core: CoreConfig): Promise<LocalMsp | undefined> {
  const path = core['peer.mspConfigPath']
  if (path === undefined) return
  try {
    return await loadLocalMsp(path, { mspId: core['peer.localMspId'] })
  } catch (error) {
    if (!(error instanceof KumikoError)) throw error
    const message = `${error.message} (it is named by peer.mspConfigPath, or CORE_PEER_MSPCONFIGPATH)`
    throw new KumikoError(error.code, message, { context: { path }, cause: error })
  }
}
