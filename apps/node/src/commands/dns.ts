import { resolve } from 'node:path'
import { isDnsName, parseIp } from '@kumiko/identity'
import { stopSignal } from '@kumiko/terminal'
import { type Command, InvalidArgumentError } from 'commander'
import { listing } from '../output.ts'
import { ProgressLine } from '../progress-line.ts'
import { positiveNumber, secretKeyOf, sequenceNumber } from './arguments.ts'
import { outputOf, report } from './context.ts'
import { examples } from './examples.ts'

/** `kumiko dns …`. */
export function addDnsCommand(program: Command): void {
  const dns = program.command('dns').description('Read node lists in DNS (EIP-1459), and make them.')
  addSync(dns)
  addSign(dns)
  examples(dns, [
    'kumiko dns sync enrtree://…@all.mainnet.ethdisco.net',
    'kumiko dns sign nodes.json --key nodekey --domain nodes.example.org',
  ])
}

interface SyncFlags {
  readonly dnsServer?: string
  readonly rate: number
}

function addSync(dns: Command): void {
  const command = dns
    .command('sync')
    .description('Read a whole tree into a folder: nodes.json, tree.json and zone.json. Where it was interrupted, it goes on.')
    .argument('<url>', 'enrtree://<key>@<domain>')
    .argument('[folder]', 'where to; default: the domain')
    .option('--dns-server <address>', "whom to ask, IP or IP:PORT; default: the system's servers", dnsServer)
    .option('--rate <n>', 'lookups a second', positiveNumber(1000), 3)
    .action(async (url: string, folder: string | undefined, flags: SyncFlags, self: Command) => {
      const [{ dnsResolver, readTreeUrl }, { syncTree }] = await Promise.all([import('@kumiko/dns-discovery'), import('../dns/sync.ts')])
      const output = outputOf(self)
      const path = resolve(folder ?? readTreeUrl(url).domain)
      using stop = stopSignal(output.closed)
      using line = new ProgressLine()
      const { seq, nodes, links, entries, lookups } = await syncTree({
        url,
        folder: path,
        resolve: dnsResolver(flags.dnsServer === undefined ? undefined : [flags.dnsServer]),
        requestsPerSecond: flags.rate,
        signal: stop.signal,
        onProgress: (at) =>
          line.show(() => `${at.entries} entries read, ${at.nodes} of them nodes; at least ${at.pending} more; ctrl-C stops`),
      })
      const fields = { folder: path, seq: seq.toString(), nodes, links, entries, lookups }
      report(output, fields, fieldLines(fields))
    })
  examples(command, [
    'kumiko dns sync enrtree://AKA3AM6LPBYEUDMVNU3BSVQJ5AD45Y7YPOHJLEF6W26QOE4VTUDPE@all.mainnet.ethdisco.net mainnet',
    'kumiko dns sync enrtree://…@nodes.example.org --dns-server 127.0.0.1:5353 --rate 100 --json',
  ])
}

interface SignFlags {
  readonly key: string
  readonly domain: string
  readonly seq?: bigint
  readonly links?: readonly string[]
  readonly out?: string
  readonly zone?: boolean
}

function addSign(dns: Command): void {
  const command = dns
    .command('sign')
    .description('Make a tree of nodes and sign it. Writes zone.json, the TXT records to publish by name, and tree.json; prints its URL.')
    .argument('<nodes>', 'a node set file, or a folder with nodes.json')
    .requiredOption('--key <key>', 'a key file, 64 hex digits, or - for stdin')
    .requiredOption('--domain <name>', 'where the tree is to be published', domainName)
    .option('--seq <n>', 'sequence number; default: the next one, as tree.json tells', sequenceNumber)
    .option('--links <urls>', 'other trees, enrtree://… separated by commas; default: as tree.json tells', (text) =>
      text.split(',').map((url) => url.trim()),
    )
    .option('--out <folder>', 'where to; default: where the nodes are')
    .option('--zone', 'write <domain>.zone, too, which BIND and others include')
    .action(async (nodes: string, { key, zone = false, ...flags }: SignFlags, self: Command) => {
      const { signNodes } = await import('../dns/sign.ts')
      const { seq, ...rest } = await signNodes({ nodes: resolve(nodes), secretKey: await secretKeyOf(key), isZoneWanted: zone, ...flags })
      const fields = { ...rest, seq: seq.toString() }
      report(outputOf(self), fields, fieldLines(fields))
    })
  examples(command, [
    'kumiko dns sign nodes.json --key nodekey --domain nodes.example.org',
    'kumiko dns sign mainnet --key nodekey --domain nodes.example.org --out published --zone --links enrtree://…@other.example.org',
  ])
}

function fieldLines(fields: Readonly<Record<string, string | number | readonly string[]>>): string[] {
  return listing(Object.entries(fields).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') || 'none' : String(value)]))
}

function dnsServer(text: string): string {
  const [, bracketed, plain = '', port = '53'] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{1,5}))?$/.exec(text) ?? []
  const length = parseIp(bracketed ?? plain)?.length
  const isRight = length === (bracketed === undefined ? 4 : 16) && Number(port) >= 1 && Number(port) <= 65_535
  if (!isRight) throw new InvalidArgumentError('Want IP or IP:PORT, as 127.0.0.1:5353 or [::1]:5353.')
  return bracketed === undefined ? `${plain}:${port}` : `[${bracketed}]:${port}`
}

function domainName(text: string): string {
  if (!isDnsName(text) || text.length > 200) throw new InvalidArgumentError('Want a DNS name of at most 200 characters.')
  return text
}
