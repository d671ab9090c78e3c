import { curve, formatEnode, fromHex, isDnsName, parseIp, parseNode, toHex } from '@kumiko/identity'
import type { NodeRecord } from '@kumiko/interface'
import type { Command } from 'commander'
import { UsageError } from '../failure.ts'
import { listing } from '../output.ts'
import { argumentText, secretKeyOf, wholeNumber } from './arguments.ts'
import { outputOf, report } from './context.ts'
import { examples } from './examples.ts'

/** `kumiko enode …`. */
export function addEnodeCommand(program: Command): void {
  const enode = program.command('enode').description('Read and write enode URLs.')
  addInspect(enode)
  addMake(enode)
  examples(enode, ['kumiko enode inspect enode://…@10.0.0.1:30303', 'kumiko enode make data/nodekey --host 10.0.0.1 --tcp 30303'])
}

function addInspect(enode: Command): void {
  const command = enode
    .command('inspect')
    .description('Show what an enode URL says, and its other forms. ENRs and multiaddrs are read, too.')
    .argument('<enode>', 'enode://…, or - for stdin')
    .action(async (argument: string, _options: unknown, self: Command) => {
      const node = parseNode(await argumentText(argument))
      report(outputOf(self), fieldsOf(node), linesOf(node))
    })
  examples(command, ['kumiko enode inspect enode://…@10.0.0.1:30303?discport=30301', 'echo enode://… | kumiko enode inspect - --json'])
}

function fieldsOf(node: NodeRecord): Readonly<Record<string, unknown>> {
  const { nodeId, publicKey, peerId, endpoints, addresses } = node
  return {
    nodeId,
    publicKey: toHex(publicKey),
    peerId: peerId.toString(),
    endpoints,
    enode: formatEnode({ publicKey, ...endpoints[0] }),
    multiaddrs: addresses.map(String),
  }
}

function linesOf(node: NodeRecord): string[] {
  const { nodeId, publicKey, peerId, endpoints, addresses } = node
  return listing([
    ['node id', nodeId],
    ['public key', toHex(publicKey)],
    ['peer id', peerId.toString()],
    ...endpoints.map(({ host, tcp, udp }) => ['endpoint', `${host}, TCP ${tcp ?? 'none'}, UDP ${udp ?? 'none'}`] as const),
    ...(endpoints.length === 0 ? [['endpoint', 'none'] as const] : []),
    ['enode', formatEnode({ publicKey, ...endpoints[0] })],
    ...addresses.map((address) => ['multiaddr', address.toString()] as const),
  ])
}

interface MakeFlags {
  readonly host?: string
  readonly tcp?: number
  readonly udp?: number
}

function addMake(enode: Command): void {
  const port = wholeNumber(1, 65_535)
  const command = enode
    .command('make')
    .description('Write an enode URL.')
    .argument('<key>', 'a key file, 64 hex digits of a secret key, 128 or 66 of a public one, or - for a secret key from stdin')
    .option('--host <host>', 'IP address or DNS name; without it the URL is incomplete')
    .option('--tcp <port>', 'TCP port; default: none', port)
    .option('--udp <port>', 'UDP port; default: none', port)
    .action(async (key: string, { host, tcp, udp }: MakeFlags, self: Command) => {
      if (host === undefined && (tcp ?? udp) !== undefined) throw new UsageError('a port is nothing without --host: add it')
      if (host !== undefined && parseIp(host) === undefined && !isDnsName(host)) {
        throw new UsageError(`bad --host "${host}": want an IP address without brackets, or a DNS name`)
      }
      const publicKey = await publicKeyOf(key)
      const url = formatEnode({
        publicKey,
        ...(host === undefined ? {} : { host }),
        ...(tcp === undefined ? {} : { tcp }),
        ...(udp === undefined ? {} : { udp }),
      })
      report(outputOf(self), { enode: url }, [url])
    })
  examples(command, ['kumiko enode make data/nodekey', 'kumiko enode make data/nodekey --host 10.0.0.1 --tcp 30303 --udp 30303'])
}

/** Compressed. */
async function publicKeyOf(argument: string): Promise<Uint8Array> {
  const bytes = fromHex(argument)
  if (bytes?.length === 64 && curve.isPublicKey(bytes)) return curve.compress(bytes)
  if (bytes?.length === 33 && curve.expand(bytes) !== undefined) return bytes
  return curve.compress(curve.publicKey(await secretKeyOf(argument)))
}
