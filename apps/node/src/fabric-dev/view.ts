import type { BlockSummary, ContractFailure, Devnet, TransactionSummary } from '@kumiko/fabric-devnet'
import { printable } from '@kumiko/terminal'
import { listing, type Output } from '../output.ts'
import { clientLines } from './client-lines.ts'
import type { NamedSource } from './options.ts'

/** Shows what a network does. */
export interface FabricDevView {
  started(net: Devnet, contracts: readonly NamedSource[], tookMs: number): void
  block(block: BlockSummary): void
  /** @param frames - Of what it threw, those that are the contract's. */
  failure(failure: ContractFailure, frames: readonly string[]): void
  reloaded(contract: string, tookMs: number): void
  /** The contract before goes on. */
  notReloaded(contract: string, error: unknown): void
  stopped(): void
}

/** The view that fits the output. */
export function fabricDevView(output: Output): FabricDevView {
  return output.isJson ? jsonView(output) : textView(output)
}

function jsonView(output: Output): FabricDevView {
  const event = (name: string, fields: object): void => output.json({ event: name, time: new Date().toISOString(), ...fields })
  return {
    started: (net, contracts, tookMs) => event('started', { ...describe(net, contracts), tookMs: Math.round(tookMs) }),
    block: ({ number, hash, transactions }) => event('block', { number: Number(number), hash, transactions }),
    failure: ({ contract, function: name, txId, status, message }, stack) =>
      event('failure', { contract, function: name, txId, status, message, stack }),
    reloaded: (contract, tookMs) => event('reloaded', { contract, tookMs: Math.round(tookMs) }),
    notReloaded: (contract, error) => event('not-reloaded', { contract, error: messageOf(error) }),
    stopped: () => event('stopped', {}),
  }
}

function describe(net: Devnet, contracts: readonly NamedSource[]) {
  const { channelId, folder, network } = net
  return {
    channel: channelId,
    folder,
    peers: network.organizations.flatMap(({ organization, peers }) =>
      peers.map(({ name, address }) => ({
        name,
        mspId: organization.mspId,
        address,
        chaincodeAddress: net.chaincodeAddress(name) ?? null,
      })),
    ),
    orderers: network.orderers,
    contracts: contracts.map(({ name, source }) => ({ name, ...source })),
  }
}

function textView(output: Output): FabricDevView {
  const dim = (text: string): string => output.style('dim', text)
  return {
    started: (net, contracts, tookMs) => {
      for (const line of startLines(net, contracts, tookMs)) output.line(line)
      const [first] = contracts
      const lines = first === undefined ? [] : clientLines(net, first.name)
      if (lines.length > 0) output.line('')
      for (const line of lines) output.line(dim(line))
      output.line('')
    },
    block: (block) => {
      for (const line of blockLines(block, output)) output.line(line)
    },
    failure: ({ contract, function: name, txId, status, message }, frames) => {
      const what = printable(`${contract} ${short(name)}: ${message.replaceAll(/\s*\n\s*/g, ' ')}`)
      output.line(`${output.style('red', `failed ${status}`)}  ${what}  ${dim(txId.slice(0, 12))}`)
      for (const frame of frames) output.line(dim(`  at ${printable(frame)}`))
    },
    reloaded: (contract, tookMs) => output.line(output.style('cyan', `reloaded ${contract} in ${Math.round(tookMs)} ms`)),
    notReloaded: (contract, error) => output.line(output.style('red', `${contract} stays as it was: ${printable(messageOf(error))}`)),
    stopped: () => output.line('stopped'),
  }
}

function startLines(net: Devnet, contracts: readonly NamedSource[], tookMs: number): readonly string[] {
  const { channel, folder, peers, orderers } = describe(net, contracts)
  const pairs: (readonly [string, string])[] = [
    ['network', `up in ${(tookMs / 1000).toFixed(1)} s, channel ${channel}`],
    ...peers.map(({ address, name, mspId }) => ['peer', `${address}  ${name} of ${mspId}`] as const),
    ...orderers.map(({ address, name }) => ['orderer', `${address}  ${name}`] as const),
    ...contracts.map((contract) => ['contract', contractText(contract, net)] as const),
    ['files', `${folder}`],
    ...net.network.organizations.map(({ organization }) => ['peer CLI', `. ${folder}/env/${organization.mspId}.sh`] as const),
  ]
  return listing(pairs)
}

function contractText({ name, source }: NamedSource, net: Devnet): string {
  if (source.kind === 'file') return `${name}  ${source.path}`
  if (source.kind === 'service') return `${name}  at ${source.address}, started with the id ${name}:1.0`
  const addresses = net.peers.map((peer) => net.chaincodeAddress(peer)).filter((address) => address !== undefined)
  return `${name}  dials in: fabric-chaincode-node start --peer.address ${addresses[0]} --chaincode-id-name ${name}:1.0`
}

function blockLines({ number, hash, transactions }: BlockSummary, output: Output): string[] {
  const count = `${transactions.length} ${transactions.length === 1 ? 'transaction' : 'transactions'}`
  const head = `${output.style('bold', `block ${number}`)}  ${output.style('dim', `${hash.slice(0, 12)}  ${count}`)}`
  return [head, ...transactions.map((transaction) => `  ${transactionText(transaction, output)}`)]
}

function transactionText(transaction: TransactionSummary, output: Output): string {
  const { txId, kind, validation = '', sender, call } = transaction
  const code = output.style(validation === 'VALID' ? 'green' : 'red', validation)
  if (call === undefined) return `${code}  ${kind}  ${output.style('dim', txId.slice(0, 12))}`.trimEnd()
  const what = call.chaincode === '_lifecycle' ? call.function : `${call.function}(${call.args.map(short).join(', ')})`
  const event = call.event === undefined ? '' : `  event ${call.event}`
  const about = `${txId.slice(0, 12)}  ${sender}  ${call.writes} ${call.writes === 1 ? 'write' : 'writes'}${event}`
  return `${code}  ${printable(`${call.chaincode} ${what}`)}  ${output.style('dim', printable(about))}`
}

function short(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
