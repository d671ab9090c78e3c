import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import type { DefinitionFlags } from '../fabric-client/definition.ts'
import {
  clientHelp,
  type EventFlags,
  eventFlags,
  type OrdererFlags,
  ordererFlags,
  type PeerFlags,
  targetFlags,
} from '../fabric-client/flags.ts'
import type { NetworkFlags } from '../fabric-client/network.ts'
import { UsageError } from '../failure.ts'
import type { Output } from '../output.ts'
import { wholeNumber } from './arguments.ts'
import { outputOf, report } from './context.ts'
import { examples } from './examples.ts'

const PATH = 'kumiko fabric lifecycle chaincode'

/** `kumiko fabric lifecycle chaincode …`: as Fabric's `peer lifecycle chaincode`. */
export function addFabricLifecycleCommand(fabric: Command): void {
  const lifecycle = fabric.command('lifecycle').description('The life of chaincode: as `peer lifecycle`.')
  const chaincode = lifecycle
    .command('chaincode')
    .description('Package, install, approve and commit chaincode: as `peer lifecycle chaincode`.')
  addPackage(chaincode)
  addInstall(chaincode)
  addQueryInstalled(chaincode)
  addGetInstalledPackage(chaincode)
  addCalculatePackageId(chaincode)
  addApprove(chaincode)
  addQueryApproved(chaincode)
  addCheckCommitReadiness(chaincode)
  addCommit(chaincode)
  addQueryCommitted(chaincode)
  const lines = [`${PATH} package basic.tar.gz --path ./basic --lang node --label basic_1.0`, `${PATH} querycommitted -C mychannel`]
  examples(chaincode, lines)
  examples(lifecycle, lines)
}

function addPackage(parent: Command): void {
  const command = parent
    .command('package')
    .description('Make a package of a folder with chaincode.')
    .argument('<file>', 'the package: basic.tar.gz')
    .requiredOption('-p, --path <folder>', 'the code')
    .requiredOption('--label <label>', 'what to call it: basic_1.0')
    .option('-l, --lang <language>', 'node, golang, java, ccaas, or what an external builder knows', 'golang')
    .action(async (file: string, flags: { path: string; label: string; lang: string }, self: Command) => {
      const { packageFolder } = await import('../fabric-client/lifecycle.ts')
      const packageId = await packageFolder(resolve(file), flags)
      report(outputOf(self), { packageId, file: resolve(file) }, [`Chaincode code package identifier: ${packageId}`])
    })
  examples(command, [`${PATH} package basic.tar.gz --path ./basic --lang node --label basic_1.0`])
}

function addInstall(parent: Command): void {
  const command = clientHelp(targetFlags(ordererFlags(parent.command('install'))))
    .description('Install a package on a peer.')
    .argument('<file>', 'the package')
    .action(async (file: string, flags: OrdererFlags & PeerFlags, self: Command) => {
      await withLifecycle(self, flags, async ({ output, lifecycle }) => {
        const packageId = await lifecycle.install(file)
        report(output, { packageId }, [`Chaincode code package identifier: ${packageId}`])
      })
    })
  examples(command, [`${PATH} install basic.tar.gz`])
}

function addQueryInstalled(parent: Command): void {
  const command = clientHelp(jsonFlag(targetFlags(ordererFlags(parent.command('queryinstalled')))))
    .description('The packages that are installed on a peer.')
    .action(async (flags: OrdererFlags & PeerFlags & JsonFlag, self: Command) => {
      await withLifecycle(self, flags, async ({ output, lifecycle, protocol }) => {
        const result = await lifecycle.queryInstalled()
        const lines = result.installedChaincodes.map(({ packageId, label }) => `Package ID: ${packageId}, Label: ${label}`)
        show(output, flags, protocol.messageToJson(protocol.QueryInstalledChaincodesResult, result), [
          'Installed chaincodes on peer:',
          ...lines,
        ])
      })
    })
  examples(command, [`${PATH} queryinstalled`, `${PATH} queryinstalled -O json`])
}

function addGetInstalledPackage(parent: Command): void {
  const command = clientHelp(targetFlags(ordererFlags(parent.command('getinstalledpackage'))))
    .description('Get a package from a peer that has it.')
    .requiredOption('--package-id <id>', 'label:hash')
    .option('--output-directory <folder>', 'where to', '.')
    .action(async (flags: OrdererFlags & PeerFlags & { packageId: string; outputDirectory: string }, self: Command) => {
      const { packageId, outputDirectory } = flags
      if (!/^[\w.+-]+:[0-9a-f]+$/.test(packageId)) throw new UsageError(`bad package id "${packageId}": want label:hash`)
      await withLifecycle(self, flags, async ({ output, lifecycle }) => {
        const bytes = await lifecycle.getInstalledPackage(packageId)
        const { writeBinary } = await import('../fabric/binary-file.ts')
        const file = resolve(outputDirectory, `${packageId.replace(':', '.')}.tar.gz`)
        await writeBinary(file, bytes)
        report(output, { packageId, file }, [file])
      })
    })
  examples(command, [`${PATH} getinstalledpackage --package-id basic_1.0:4ec1…`])
}

function addCalculatePackageId(parent: Command): void {
  const command = parent
    .command('calculatepackageid')
    .description('The id that a package has once it is installed.')
    .argument('<file>', 'the package')
    .addOption(outputOption())
    .action(async (file: string, flags: JsonFlag, self: Command) => {
      const { packageIdOfFile } = await import('../fabric-client/lifecycle.ts')
      const packageId = await packageIdOfFile(file)
      show(outputOf(self), flags, { package_id: packageId }, [packageId])
    })
  examples(command, [`${PATH} calculatepackageid basic.tar.gz`])
}

type ApproveFlags = OrdererFlags & PeerFlags & EventFlags & DefinitionFlags & { readonly channelID: string; readonly packageId?: string }

function addApprove(parent: Command): void {
  const command = clientHelp(eventFlags(targetFlags(ordererFlags(definitionFlags(parent.command('approveformyorg')))), true))
    .description('Approve a definition for the own organisation.')
    .option('--package-id <id>', 'what runs it at our peers; default: nothing')
    .action(async (flags: ApproveFlags, self: Command) => {
      await withLifecycle(self, { ...flags, isForOwnOrganization: true }, async ({ output, lifecycle }) => {
        const { definitionOf } = await import('../fabric-client/definition.ts')
        const options = { packageId: flags.packageId ?? '', waitMs: waitMsOf(flags) }
        tellSubmitted(output, await lifecycle.approve(flags.channelID, await definitionOf(flags), options))
      })
    })
  examples(command, [`${PATH} approveformyorg -o localhost:7050 -C mychannel -n basic -v 1.0 --sequence 1 --package-id basic_1.0:4ec1…`])
}

function addCommit(parent: Command): void {
  const command = clientHelp(eventFlags(targetFlags(ordererFlags(definitionFlags(parent.command('commit')))), true))
    .description('Commit a definition that enough organisations approved.')
    .action(async (flags: ApproveFlags, self: Command) => {
      await withLifecycle(self, flags, async ({ output, lifecycle }) => {
        const { definitionOf } = await import('../fabric-client/definition.ts')
        tellSubmitted(output, await lifecycle.commit(flags.channelID, await definitionOf(flags), waitMsOf(flags)))
      })
    })
  examples(command, [`${PATH} commit -o localhost:7050 -C mychannel -n basic -v 1.0 --sequence 1`])
}

type ReadinessFlags = OrdererFlags & PeerFlags & JsonFlag & DefinitionFlags & { readonly channelID: string; readonly inspect?: boolean }

function addCheckCommitReadiness(parent: Command): void {
  const command = clientHelp(jsonFlag(targetFlags(ordererFlags(definitionFlags(parent.command('checkcommitreadiness'))))))
    .description('Which organisations approved a definition.')
    .option('--inspect', 'say what an organisation did not approve')
    .action(async (flags: ReadinessFlags, self: Command) => {
      await withLifecycle(self, flags, async ({ output, lifecycle, protocol }) => {
        const { definitionOf } = await import('../fabric-client/definition.ts')
        const found = await lifecycle.checkReadiness(flags.channelID, await definitionOf(flags))
        const result = flags.inspect === true ? found : { ...found, mismatches: new Map() }
        const { name, version, sequence, channelID } = flags
        const head = `Chaincode definition for chaincode '${name}', version '${version}', sequence '${sequence}' on channel '${channelID}' approval status by org:`
        const lines = [...result.approvals]
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([mspId, isApproved]) => {
            const items = result.mismatches.get(mspId)?.items ?? []
            return `${mspId}: ${isApproved}${items.length === 0 ? '' : ` (mismatch: [${items.join(', ')}])`}`
          })
        show(output, flags, protocol.messageToJson(protocol.CheckCommitReadinessResult, result), [head, ...lines])
      })
    })
  examples(command, [`${PATH} checkcommitreadiness -C mychannel -n basic -v 1.0 --sequence 1`])
}

type QueryFlags = OrdererFlags & PeerFlags & JsonFlag & { readonly channelID: string; readonly name?: string; readonly sequence?: number }

function addQueryApproved(parent: Command): void {
  const command = clientHelp(jsonFlag(targetFlags(ordererFlags(parent.command('queryapproved')))))
    .description('What the own organisation approved.')
    .requiredOption('-C, --channelID <name>', 'the channel')
    .requiredOption('-n, --name <chaincode>', 'the chaincode')
    .option('--sequence <n>', 'which definition; default: the newest', wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .action(async (flags: QueryFlags & { name: string }, self: Command) => {
      await withLifecycle(self, flags, async ({ output, lifecycle, protocol }) => {
        const result = await lifecycle.queryApproved(flags.channelID, flags.name, flags.sequence ?? 0)
        const { sequence, version, initRequired, source, endorsementPlugin, validationPlugin } = result
        const head = `Approved chaincode definition for chaincode '${flags.name}' on channel '${flags.channelID}':`
        const line =
          `sequence: ${sequence}, version: ${version}, init-required: ${initRequired}, package-id: ${source?.localPackage?.packageId ?? ''}, ` +
          `endorsement plugin: ${endorsementPlugin}, validation plugin: ${validationPlugin}`
        show(output, flags, protocol.messageToJson(protocol.QueryApprovedChaincodeDefinitionResult, result), [head, line])
      })
    })
  examples(command, [`${PATH} queryapproved -C mychannel -n basic`])
}

function addQueryCommitted(parent: Command): void {
  const command = clientHelp(jsonFlag(targetFlags(ordererFlags(parent.command('querycommitted')))))
    .description("A channel's definitions, or one.")
    .requiredOption('-C, --channelID <name>', 'the channel')
    .option('-n, --name <chaincode>', 'only this one')
    .action(async (flags: QueryFlags, self: Command) => {
      await withLifecycle(self, flags, async ({ output, lifecycle, protocol }) => {
        const { channelID, name } = flags
        if (name === undefined) {
          const result = await lifecycle.queryAllCommitted(channelID)
          const lines = result.chaincodeDefinitions.map((each) => `Name: ${each.name}, ${definitionText(each)}`)
          const json = protocol.messageToJson(protocol.QueryChaincodeDefinitionsResult, result)
          show(output, flags, json, [`Committed chaincode definitions on channel '${channelID}':`, ...lines])
          return
        }
        const result = await lifecycle.queryCommitted(channelID, name)
        const approvals = [...result.approvals].sort(([a], [b]) => (a < b ? -1 : 1)).map(([mspId, isApproved]) => `${mspId}: ${isApproved}`)
        const head = `Committed chaincode definition for chaincode '${name}' on channel '${channelID}':`
        const json = protocol.messageToJson(protocol.QueryChaincodeDefinitionResult, result)
        show(output, flags, json, [head, `${definitionText(result)}, Approvals: [${approvals.join(', ')}]`])
      })
    })
  examples(command, [`${PATH} querycommitted -C mychannel`, `${PATH} querycommitted -C mychannel -n basic -O json`])
}

interface Defined {
  readonly version: string
  readonly sequence: bigint
  readonly endorsementPlugin: string
  readonly validationPlugin: string
}

function definitionText({ version, sequence, endorsementPlugin, validationPlugin }: Defined): string {
  return `Version: ${version}, Sequence: ${sequence}, Endorsement Plugin: ${endorsementPlugin}, Validation Plugin: ${validationPlugin}`
}

function definitionFlags(command: Command): Command {
  return command
    .requiredOption('-C, --channelID <name>', 'the channel')
    .requiredOption('-n, --name <chaincode>', 'the chaincode')
    .requiredOption('-v, --version <version>', 'its version')
    .requiredOption('--sequence <n>', '1, and one more with each definition', wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .option('--signature-policy <policy>', "who must endorse: \"OR('Org1MSP.peer')\"; default: the channel's own policy")
    .option('--channel-config-policy <path>', "who must endorse, by one of the channel's policies")
    .option('-E, --endorsement-plugin <name>', 'default: escc')
    .option('-V, --validation-plugin <name>', 'default: vscc')
    .option('--collections-config <file>', 'collections of private data, as JSON')
    .option('--init-required', 'whether a transaction that initialises it must come first')
}

interface JsonFlag {
  readonly output?: 'json'
}

function jsonFlag(command: Command): Command {
  return command.addOption(outputOption())
}

function outputOption(): Option {
  return new Option('-O, --output <format>', 'of the answer; default: text').choices(['json'])
}

function show(output: Output, { output: format }: JsonFlag, json: unknown, lines: readonly string[]): void {
  if (output.isJson) output.json(json)
  else if (format === 'json') output.line(JSON.stringify(json, null, '\t'))
  else for (const line of lines) output.line(line)
}

function waitMsOf({ waitForEvent, waitForEventTimeout }: EventFlags): number | undefined {
  return waitForEvent === false ? undefined : waitForEventTimeout * 1000
}

function tellSubmitted(output: Output, { txId, committedAt }: { readonly txId: string; readonly committedAt: readonly string[] }): void {
  const lines = committedAt.map((address) => `txid [${txId}] committed with status (VALID) at ${address}`)
  report(output, { txId, committedAt }, lines.length === 0 ? [`txid [${txId}] sent`] : lines)
}

type Lifecycle = import('../fabric-client/lifecycle.ts').LifecycleClient
type Protocol = typeof import('@kumiko/fabric-protocol')
type Work = import('../fabric-client/run.ts').NetworkWork & { readonly lifecycle: Lifecycle; readonly protocol: Protocol }

/** Loads what talks to a network only when it is needed. */
async function withLifecycle(self: Command, flags: NetworkFlags, work: (work: Work) => Promise<void>): Promise<void> {
  const [{ withNetwork }, { LifecycleClient }, protocol] = await Promise.all([
    import('../fabric-client/run.ts'),
    import('../fabric-client/lifecycle.ts'),
    import('@kumiko/fabric-protocol'),
  ])
  await withNetwork(self, flags, (each) => work({ ...each, lifecycle: new LifecycleClient(each.network), protocol }))
}
