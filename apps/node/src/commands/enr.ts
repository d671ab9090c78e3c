import { decodeEnr, encodeRlp, formatEnr, fromHex, parseIp, signEnr } from '@kumiko/identity'
import { type EnrEntries, isFault, KumikoError } from '@kumiko/interface'
import { printable } from '@kumiko/terminal'
import { type Command, InvalidArgumentError } from 'commander'
import { describeEnr, type EnrDescription, enrBytes } from '../enr-description.ts'
import { listing } from '../output.ts'
import { argumentText, ipAddress, secretKeyOf, sequenceNumber, wholeNumber } from './arguments.ts'
import { outputOf, report } from './context.ts'
import { examples } from './examples.ts'

/** `kumiko enr …`. */
export function addEnrCommand(program: Command): void {
  const enr = program.command('enr').description('Read, write and verify node records (EIP-778).')
  addEncode(enr)
  addDecode(enr)
  addVerify(enr)
  examples(enr, [
    'kumiko enr decode enr:-IS4Q…',
    'kumiko enr encode data/nodekey --ip 10.0.0.1 --tcp 30303',
    'kumiko enr verify - < record.txt',
  ])
}

interface EncodeFlags {
  readonly seq?: bigint
  readonly ip?: string
  readonly tcp?: number
  readonly udp?: number
  readonly ip6?: string
  readonly tcp6?: number
  readonly udp6?: number
  readonly entry?: Readonly<Record<string, Uint8Array>>
}

function addEncode(enr: Command): void {
  const port = wholeNumber(1, 65_535)
  const command = enr
    .command('encode')
    .description('Make and sign a node record.')
    .argument('<key>', 'a key file, 64 hex digits, or - for stdin')
    .option('--seq <n>', 'sequence number; default: 1', sequenceNumber)
    .option('--ip <address>', 'IPv4 address', ipAddress(4))
    .option('--tcp <port>', 'TCP port', port)
    .option('--udp <port>', 'UDP port', port)
    .option('--ip6 <address>', 'IPv6 address', ipAddress(16))
    .option('--tcp6 <port>', 'TCP port of the IPv6 address, where it is another', port)
    .option('--udp6 <port>', 'UDP port of the IPv6 address, where it is another', port)
    .option('--entry <name=hex>', 'any other entry, as the hex digits of its RLP (repeat)', readEntry)
    .action(async (key: string, flags: EncodeFlags, self: Command) => {
      const record = signEnr(await secretKeyOf(key), flags.seq ?? 1n, entriesOf(flags))
      const text = formatEnr(record)
      report(outputOf(self), { enr: text }, [text])
    })
  examples(command, [
    'kumiko enr encode data/nodekey --ip 10.0.0.1 --tcp 30303 --udp 30303',
    'kumiko enr encode data/nodekey --seq 7 --entry eth=c7c684fc64ec0480',
  ])
}

function readEntry(text: string, before: Readonly<Record<string, Uint8Array>> | undefined): Readonly<Record<string, Uint8Array>> {
  const [, name, hex = ''] = /^([^=]+)=(?:0x)?(.+)$/i.exec(text) ?? []
  const value = fromHex(hex)
  if (name === undefined || value === undefined) throw new InvalidArgumentError('Want NAME=HEX, as in eth=c7c684fc64ec0480.')
  return { ...before, [name]: value }
}

function entriesOf({ ip, ip6, tcp, udp, tcp6, udp6, entry }: EncodeFlags): EnrEntries {
  const values = { ip: ip && parseIp(ip), tcp, udp, ip6: ip6 && parseIp(ip6), tcp6, udp6 }
  const given = Object.entries(values).flatMap(([name, value]) => (value === undefined || value === '' ? [] : [[name, encodeRlp(value)]]))
  return { ...entry, ...Object.fromEntries(given) }
}

function addDecode(enr: Command): void {
  const command = enr
    .command('decode')
    .description('Show everything that a node record says, also of one whose signature does not hold.')
    .argument('<enr>', 'enr:…, or - for stdin')
    .action(async (argument: string, _options: unknown, self: Command) => {
      const description = describeEnr(await argumentText(argument))
      report(outputOf(self), jsonOf(description), linesOf(description))
    })
  examples(command, ['kumiko enr decode enr:-IS4Q…', 'kumiko enr decode - --json < record.txt'])
}

/** 64 bits do not fit into a number of JSON: the sequence number is text. */
function jsonOf({ seq, ...rest }: EnrDescription): Readonly<Record<string, unknown>> {
  return { seq: seq.toString(), ...rest }
}

function linesOf({ seq, sizeBytes, isValid, why, nodeId, peerId, enode, entries }: EnrDescription): string[] {
  return [
    ...listing([
      ['signature', isValid ? 'valid' : `NOT valid: ${why ?? 'unknown scheme'}`],
      ['seq', seq.toString()],
      ['size', `${sizeBytes} of 300 bytes`],
      ...(nodeId === undefined ? [] : [['node id', nodeId] as const]),
      ...(peerId === undefined ? [] : [['peer id', peerId] as const]),
      ...(enode === undefined ? [] : [['enode', enode] as const]),
    ]),
    'entries',
    ...listing(entries.map(({ key, text }) => [`  ${printable(key)}`, printable(text)] as const)),
  ]
}

function addVerify(enr: Command): void {
  const command = enr
    .command('verify')
    .description('Tell whether a node record is well formed and its signature holds; exit code 1 if not.')
    .argument('<enr>', 'enr:…, or - for stdin')
    .action(async (argument: string, _options: unknown, self: Command) => {
      const record = decodeEnr(enrBytes(await argumentText(argument)))
      if (isFault(record)) {
        if (outputOf(self).isJson) outputOf(self).json({ isValid: false, why: record.detail })
        throw new KumikoError('node/enr-not-valid', `the record is not valid: ${record.detail}`)
      }
      const { nodeId, seq } = record
      report(outputOf(self), { isValid: true, nodeId, seq: seq.toString() }, [`valid: node ${nodeId}, sequence number ${seq}`])
    })
  examples(command, ['kumiko enr verify enr:-IS4Q…', 'kumiko enr verify - < record.txt'])
}
