import type { Ledgers, ReplayProgress } from '@kumiko/fabric-ledger'
import { stopSignal } from '@kumiko/terminal'
import type { Command } from 'commander'
import type { CoreConfig } from '../fabric/core-config.ts'
import type { Output } from '../output.ts'
import { ProgressLine } from '../progress-line.ts'
import { outputOf } from './context.ts'

/** Under the help of what may take long. */
export const EXIT_CODES = `
Exit codes: 0 done; 1 failed, with a line that says why; 2 the command line is wrong; 3 stopped by ctrl-C before the end: what is done is kept.`

/** Under the help of what uses a peer's ledgers. */
const CORE_HELP = `
core.yaml is read in FABRIC_CFG_PATH, here, or in /etc/hyperledger/fabric; CORE_* variables override it. The ledgers are in peer.fileSystemPath;
without one in ~/.kumiko/fabric. Who we are, and so which private data is ours, say peer.mspConfigPath and peer.localMspId.`

/** What a command that uses a peer's ledgers has. */
export interface PeerWork {
  readonly core: CoreConfig
  /** No other process has them meanwhile. */
  readonly ledgers: Ledgers
  readonly output: Output
  /** Aborts by ctrl-C. */
  readonly signal: AbortSignal
  readonly line: ProgressLine
}

/** Gives a command the flag for where the ledgers are, and says where else that comes from. */
export function peerCommand(command: Command): Command {
  return command
    .option('--data-dir <folder>', 'where the ledgers are; default: peer.fileSystemPath of core.yaml')
    .addHelpText('after', `${CORE_HELP}\n${EXIT_CODES}`)
}

/** The configuration that a command's flags and environment make. */
export async function coreOf(self: Command, output: Output): Promise<CoreConfig> {
  const { loadCoreConfig } = await import('../fabric/core-file.ts')
  const { dataDir, verbose } = self.optsWithGlobals<{ dataDir?: string; verbose?: boolean }>()
  const { config, path, unused } = await loadCoreConfig({ env: process.env, dataDir })
  if (verbose === true && unused.length > 0) output.warn(`kumiko: ${path}: not used by kumiko: ${unused.join(', ')}`)
  return config
}

/** Opens a peer's ledgers for a command, and closes them. */
export async function withPeer(self: Command, work: (peer: PeerWork) => Promise<void>): Promise<void> {
  const output = outputOf(self)
  const core = await coreOf(self, output)
  const { openPeerLedgers } = await import('../fabric/peer-ledgers.ts')
  using stop = stopSignal(output.closed)
  using line = new ProgressLine()
  const onReplay = ({ number, height }: ReplayProgress): void => line.show(() => `databases: block ${number} of ${height - 1n}`)
  const ledgers = await openPeerLedgers(core, onReplay)
  try {
    await work({ core, ledgers, output, signal: stop.signal, line })
  } finally {
    await ledgers.close()
  }
}
