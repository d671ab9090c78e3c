import type { Command } from 'commander'
import {
  clientHelp,
  type EventFlags,
  eventFlags,
  jsonFlag,
  type OrdererFlags,
  ordererFlags,
  type PeerFlags,
  type ProfileFlags,
  targetFlags,
} from '../fabric-client/flags.ts'
import { UsageError } from '../failure.ts'
import { report } from './context.ts'
import { examples } from './examples.ts'

const PATH = 'kumiko fabric chaincode'

/** `kumiko fabric chaincode …`: as Fabric's `peer chaincode`. */
export function addFabricChaincodeCommand(fabric: Command): void {
  const chaincode = fabric.command('chaincode').description('Invoke and query chaincode: as `peer chaincode`.')
  addInvoke(chaincode)
  addQuery(chaincode)
  for (const [name, now] of LEGACY) addLegacy(chaincode, name, now)
  examples(chaincode, [`${PATH} query -C mychannel -n basic -c '{"Args":["ReadAsset","1"]}'`])
}

/** What Fabric 1 had, and what does it since. */
const LEGACY: readonly (readonly [string, string])[] = [
  ['package', 'lifecycle chaincode package'],
  ['install', 'lifecycle chaincode install'],
  ['instantiate', 'lifecycle chaincode approveformyorg, then lifecycle chaincode commit'],
  ['upgrade', 'lifecycle chaincode approveformyorg with the next --sequence, then lifecycle chaincode commit'],
  ['list', 'lifecycle chaincode queryinstalled, or lifecycle chaincode querycommitted'],
  ['signpackage', 'lifecycle chaincode approveformyorg: packages are approved, not signed'],
]

interface CallFlags extends OrdererFlags, PeerFlags, ProfileFlags {
  readonly channelID: string
  readonly name: string
  readonly ctor: string
  readonly isInit?: boolean
  readonly transient?: string
}

function callFlags(command: Command): Command {
  return targetFlags(ordererFlags(command))
    .requiredOption('-C, --channelID <name>', 'the channel')
    .requiredOption('-n, --name <chaincode>', 'the chaincode')
    .requiredOption('-c, --ctor <json>', 'the call: {"Args":["function","argument"]}, or {"function":"function","Args":["argument"]}')
    .option('--transient <json>', 'what is not in the transaction: {"name":"<base64>"}')
}

function addInvoke(parent: Command): void {
  const command = clientHelp(eventFlags(callFlags(parent.command('invoke')), false))
    .description('Have peers endorse a transaction, and an orderer order it.')
    .option('-I, --isInit', 'the transaction that initialises the chaincode')
    .action(async (flags: CallFlags & EventFlags, self: Command) => {
      const [{ withNetwork }, { submit }] = await Promise.all([
        import('../fabric-client/run.ts'),
        import('../fabric-client/transaction.ts'),
      ])
      const question = questionOf(flags)
      await withNetwork(self, flags, async ({ network, output }) => {
        const waitMs = flags.waitForEvent === true ? flags.waitForEventTimeout * 1000 : undefined
        const { txId, status, payload, committedAt } = await submit(network, question, { waitMs })
        const lines = committedAt.map((address) => `txid [${txId}] committed with status (VALID) at ${address}`)
        const text = Buffer.from(payload).toString()
        const shown = text === '' ? '' : ` payload:${JSON.stringify(text)}`
        const fields = { txId, status, payload: Buffer.from(payload).toString('base64'), committedAt }
        report(output, fields, [...lines, `Chaincode invoke successful. result: status:${status}${shown}`])
      })
    })
  examples(command, [
    `${PATH} invoke -o localhost:7050 -C mychannel -n basic -c '{"Args":["TransferAsset","1","Max"]}' --waitForEvent`,
    `${PATH} invoke -C mychannel -n basic -c '{"function":"InitLedger","Args":[]}' --peerAddresses localhost:7051 --peerAddresses localhost:9051`,
    `${PATH} invoke -C mychannel -n basic -c '{"Args":["TransferAsset","1","Max"]}' --connectionProfile connection-org1.yaml`,
  ])
}

function addQuery(parent: Command): void {
  const command = clientHelp(callFlags(parent.command('query')))
    .description('Ask a peer for the answer of a chaincode: nothing is ordered.')
    .option('-x, --hex', 'the answer in hex')
    .option('-r, --raw', 'the answer as bytes, without an end of line')
    .action(async (flags: CallFlags & { readonly hex?: boolean; readonly raw?: boolean }, self: Command) => {
      if (flags.hex === true && flags.raw === true) throw new UsageError('options --raw (-r) and --hex (-x) are not compatible')
      const { withNetwork } = await import('../fabric-client/run.ts')
      const question = questionOf(flags)
      await withNetwork(self, flags, async ({ network, output }) => {
        const { payload, status } = await network.query(question, 'query')
        const bytes = Buffer.from(payload)
        if (output.isJson) output.json({ status, payload: bytes.toString('base64') })
        else if (flags.raw === true) process.stdout.write(bytes)
        else output.line(bytes.toString(flags.hex === true ? 'hex' : 'utf8'))
      })
    })
  examples(command, [
    `${PATH} query -C mychannel -n basic -c '{"Args":["ReadAsset","1"]}'`,
    `${PATH} query -C mychannel -n qscc -c '{"Args":["GetChainInfo","mychannel"]}' -x`,
  ])
}

function addLegacy(parent: Command, name: string, now: string): void {
  const command = parent
    .command(name, { hidden: false })
    .description(`Of Fabric 1: now kumiko fabric ${now}.`)
    .allowUnknownOption()
    .allowExcessArguments()
    .action(() => {
      throw new UsageError(`chaincode ${name} is of Fabric 1, whose lifecycle no channel of ours has: use kumiko fabric ${now}`)
    })
  examples(command, [`kumiko fabric lifecycle chaincode ${name === 'package' ? 'package' : 'queryinstalled'} --help`])
}

function questionOf({ channelID, name, ctor, isInit = false, transient }: CallFlags) {
  return {
    channelId: channelID,
    chaincode: name,
    args: argumentsOf(ctor),
    isInit,
    ...(transient !== undefined && { transientMap: transientOf(transient) }),
  }
}

/** @see Fabric `internal/peer/chaincode/common.go` chaincodeInput */
function argumentsOf(ctor: string): readonly Uint8Array[] {
  const value = jsonFlag('--ctor', ctor)
  const fields =
    typeof value === 'object' && value !== null
      ? new Map(Object.entries(value).map(([name, each]) => [name.toLowerCase(), each]))
      : undefined
  const [args, name]: unknown[] = [fields?.get('args'), fields?.get('function')]
  const isRight = Array.isArray(args) && args.every((each) => typeof each === 'string') && (name === undefined || typeof name === 'string')
  if (!isRight) throw new UsageError('--ctor: want {"Args":["function","argument"]}, with text alone')
  const all: readonly string[] = name === undefined || name === '' ? args : [String(name), ...args]
  return all.map((each) => new TextEncoder().encode(each))
}

function transientOf(text: string): ReadonlyMap<string, Uint8Array> {
  const value = jsonFlag('--transient', text)
  const entries = typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : undefined
  if (entries?.every(([, each]) => typeof each === 'string') !== true) throw new UsageError('--transient: want {"name":"<base64>"}')
  return new Map(entries.map(([name, each]) => [name, new Uint8Array(Buffer.from(String(each), 'base64'))]))
}
