import { readFile } from 'node:fs/promises'
import { stopSignal } from '@kumiko/terminal'
import type { Command } from 'commander'
import { type ContractFlags, readContractFlags } from '../fabric-dev/options.ts'
import { UsageError } from '../failure.ts'
import { wholeNumber } from './arguments.ts'
import { outputOf } from './context.ts'
import { examples } from './examples.ts'

interface FabricDevFlags extends ContractFlags {
  readonly orgs: number
  readonly peers: number
  readonly channel: string
  readonly port: number
  readonly dataDir?: string
  readonly batchTimeout: number
  readonly executeTimeout: number
  readonly watch: boolean
}

/** Where the peers of Fabric's own test network are: each so much above the one before. */
const PEER_PORT_STEP = 2000

/** `kumiko fabric dev`. */
export function addFabricDevCommand(fabric: Command): void {
  const command = fabric
    .command('dev')
    .description(
      'Start a Fabric network with your contracts, for any client; contracts are loaded again when they change. Ctrl-C stops it.',
    )
    .option(
      '--contract <name=where...>',
      'a module, or a project with a package.json; host:port of a service; or dial, for one that dials in',
    )
    .option(
      '--policy <name=policy...>',
      "who must endorse a contract; default: a majority of the organisations, such as AND('Org1MSP.peer')",
    )
    .option('--collections <name=file...>', 'the private collections of a contract: a collections_config.json')
    .option('--init-required <name...>', 'contracts that a transaction must initialise')
    .option('--orgs <n>', 'how many organisations', wholeNumber(1, 20), 1)
    .option('--peers <n>', 'how many peers each has', wholeNumber(1, 10), 1)
    .option('--channel <name>', 'the channel', 'mychannel')
    .option('--port <port>', 'of the orderer; peers take the next one, and then every 2000th; 0: free ones', wholeNumber(0, 65_535), 7050)
    .option('--data-dir <folder>', 'keeps the network, which goes on there the next time; default: it is gone with the command')
    .option('--batch-timeout <ms>', 'how long a block waits for more transactions', wholeNumber(1, 600_000), 10)
    .option('--execute-timeout <seconds>', 'how long a transaction may run; more for a debugger', wholeNumber(1, 86_400), 30)
    .option('--no-watch', 'do not load contracts again')
    .action(async (flags: FabricDevFlags, self: Command) => {
      const contracts = await readContractFlags(flags, readJson)
      // A network takes a moment to load, which other commands need not wait for.
      const { runFabricDev } = await import('../fabric-dev/run.ts')
      const output = outputOf(self)
      using stop = stopSignal(output.closed)
      const network = {
        orgs: flags.orgs,
        peersPerOrg: flags.peers,
        channelId: flags.channel,
        batch: { timeoutMs: flags.batchTimeout },
        executeTimeoutMs: flags.executeTimeout * 1000,
        ...(flags.port > 0 && { ports: portsOf(flags) }),
        ...(flags.dataDir !== undefined && { folder: flags.dataDir }),
      }
      await runFabricDev({ network, contracts, isWatching: flags.watch }, output, stop.signal)
    })
  examples(command, [
    'kumiko fabric dev --contract assets=./assets.ts',
    "kumiko fabric dev --orgs 2 --contract assets=./assets --policy \"assets=AND('Org1MSP.peer','Org2MSP.peer')\"",
    'kumiko fabric dev --contract assets=localhost:9999',
    'kumiko fabric dev --contract assets=dial --json',
  ])
}

/** As in Fabric's test network: 7050, then 7051, 9051 and so on, and 7052, 9052 for chaincode. */
function portsOf({ port, orgs, peers }: FabricDevFlags) {
  const at = Array.from({ length: orgs * peers }, (_, index) => port + 1 + index * PEER_PORT_STEP)
  const last = at.at(-1) ?? port
  if (last + 1 > 65_535) throw new UsageError(`--port ${port} leaves no room for ${at.length} peers: take 0, for free ones`)
  return { orderer: port, peers: at, chaincode: at.map((each) => each + 1) }
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'))
  } catch (error) {
    throw new UsageError(`--collections ${path}: ${error instanceof Error ? error.message : String(error)}`)
  }
}
