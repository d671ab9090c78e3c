import { type ContractInput, type Devnet, type DevnetOptions, devnet } from '@kumiko/fabric-devnet'
import { aborted } from '@kumiko/terminal'
import type { Output } from '../output.ts'
import { type ContractFile, contractFile, loadContracts } from './contract-file.ts'
import { Failures } from './failures.ts'
import type { NamedSource } from './options.ts'
import { type FabricDevView, fabricDevView } from './view.ts'
import { watchFolder } from './watch-folder.ts'

/** What {@link runFabricDev} is to run. */
export interface FabricDevOptions {
  readonly network: Omit<DevnetOptions, 'contracts'>
  readonly contracts: readonly NamedSource[]
  /** Whether contracts are loaded again when their files change. */
  readonly isWatching: boolean
}

/**
 * Runs a network for development until the signal aborts.
 * @throws KumikoError of what is wrong with a contract, or of the part that could not start: nothing is up then.
 */
export async function runFabricDev(
  { network, contracts, isWatching }: FabricDevOptions,
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  // The packages of contracts tell of each of their decorators, and of each transaction, unless they are told not to.
  process.env.CORE_CHAINCODE_LOGGING_LEVEL ??= 'CRITICAL'
  const view = fabricDevView(output)
  const logger = await loggerOf(process.env.FABRIC_LOGGING_SPEC)
  const begunAt = performance.now()
  const failures = new Failures(contracts, view)
  const inputs = await Promise.all(contracts.map(async (contract) => [contract.name, await inputOf(contract)] as const))
  await using net = await devnet({
    ...network,
    ...(logger && { logger }),
    contracts: Object.fromEntries(inputs),
    onFailure: (failure) => failures.tell(failure),
  })
  // Clients read files, whose folder goes with the network where it was not named.
  if (network.folder === undefined) await net.write(net.folder)
  view.started(net, contracts, performance.now() - begunAt)
  const stops = isWatching ? watchAll(net, contracts, view) : []
  try {
    await Promise.race([showBlocks(net, view, signal), aborted(signal)])
  } finally {
    for (const stop of stops) stop()
  }
  await net.stop()
  view.stopped()
}

/** What nodes log goes to stderr, where somebody asks for it. @param spec - As Fabric's. */
async function loggerOf(spec: string | undefined): Promise<DevnetOptions['logger']> {
  if (spec === undefined) return
  const { Logging } = await import('@kumiko/operations')
  return new Logging({ spec })
}

async function inputOf({ source, terms }: NamedSource): Promise<ContractInput> {
  if (source.kind === 'service') return { ...terms, address: source.address }
  if (source.kind === 'dial') return { ...terms, dialsIn: true }
  return { ...terms, contract: await loadContracts(contractFile(source.path)) }
}

async function showBlocks(net: Devnet, view: FabricDevView, signal: AbortSignal): Promise<void> {
  for await (const block of net.blocks.from(net.blocks.height, { signal })) view.block(block)
}

function watchAll(net: Devnet, contracts: readonly NamedSource[], view: FabricDevView): (() => void)[] {
  return contracts.flatMap(({ name, source }) => {
    if (source.kind !== 'file') return []
    const file = contractFile(source.path)
    let last: Promise<void> = Promise.resolve()
    return [
      watchFolder(file.folder, () => {
        last = last.then(() => reload(net, name, file, view))
      }),
    ]
  })
}

async function reload(net: Devnet, name: string, file: ContractFile, view: FabricDevView): Promise<void> {
  const begunAt = performance.now()
  try {
    net.reload(name, await loadContracts(file))
    view.reloaded(name, performance.now() - begunAt)
  } catch (error) {
    view.notReloaded(name, error)
  }
}
