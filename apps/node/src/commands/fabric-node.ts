import type { Command } from 'commander'
import { outputOf, report } from './context.ts'
import { examples } from './examples.ts'
import { coreOf, peerCommand } from './fabric-context.ts'
import { addRebuild, addReset, addRollback, rework } from './ledger.ts'

const PATH = 'kumiko fabric node'

/** `kumiko fabric node …`: as Fabric's `peer node`. */
export function addFabricNodeCommand(fabric: Command): void {
  const node = fabric.command('node').description("A peer's state, and its channels' ledgers, while it is stopped.")
  addStatus(node)
  addReset(node, PATH)
  addRollback(node, PATH)
  addPause(node)
  addResume(node)
  addRebuild(node, PATH)
  addUnjoin(node)
  examples(node, [`${PATH} status`, `${PATH} pause -c mychannel`])
}

function addStatus(node: Command): void {
  const status = peerCommand(node.command('status'))
    .description('Whether the peer runs and is well, as its operations server tells. Exit code 1 where it is not.')
    .action(async (_flags: unknown, self: Command) => {
      const output = outputOf(self)
      const core = await coreOf(self, output)
      const { peerStatus } = await import('../fabric/peer-status.ts')
      const { state, failed, why } = await peerStatus(core)
      const lines = [`status:${state}`, ...failed.map(({ component, reason }) => `${component}: ${reason}`)]
      report(output, { status: state, failed, why }, why === undefined ? lines : [...lines, why])
      if (state !== 'STARTED') process.exitCode = 1
    })
  examples(status, [`${PATH} status`, `${PATH} status --json`])
}

interface ChannelFlag {
  readonly channelID: string
}

function addPause(node: Command): void {
  const pause = peerCommand(node.command('pause'))
    .description('Have the peer leave a channel alone from its next start on: it takes no blocks, and serves nothing of it.')
    .requiredOption('-c, --channelID <name>', 'the channel')
    .action(async ({ channelID }: ChannelFlag, self: Command) => {
      await rework(self, channelID, (ledgers, options) => ledgers.setPaused(options, true), 'paused')
    })
  examples(pause, [`${PATH} pause -c mychannel`])
}

function addResume(node: Command): void {
  const resume = peerCommand(node.command('resume'))
    .description('Have the peer take up a channel that was paused, from its next start on.')
    .requiredOption('-c, --channelID <name>', 'the channel')
    .action(async ({ channelID }: ChannelFlag, self: Command) => {
      await rework(self, channelID, (ledgers, options) => ledgers.setPaused(options, false), 'resumed')
    })
  examples(resume, [`${PATH} resume -c mychannel`])
}

function addUnjoin(node: Command): void {
  const unjoin = peerCommand(node.command('unjoin'))
    .description("Remove a channel's ledger, with its private data and all that is kept for it. Snapshots stay.")
    .requiredOption('-c, --channelID <name>', 'the channel')
    .action(async ({ channelID }: ChannelFlag, self: Command) => {
      const { removeKept } = await import('../fabric/peer-ledgers.ts')
      const core = await coreOf(self, outputOf(self))
      await rework(
        self,
        channelID,
        async (ledgers, options) => {
          await removeKept(core, channelID)
          await ledgers.removeLedger(options)
        },
        'unjoined',
      )
    })
  examples(unjoin, [`${PATH} unjoin -c mychannel`])
}
