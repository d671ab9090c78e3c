import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { readTreeUrl } from '@kumiko/dns-discovery'
import { type NetworkName, networks } from '@kumiko/eth'
import { parseIp, parseNetList, parseNode, registerRlpx } from '@kumiko/identity'
import { formatNat, parseNat } from '@kumiko/nat'
import { multiaddr } from '@multiformats/multiaddr'
import { z } from 'zod'

/** Names of the capabilities that a node can serve. */
const CAPABILITIES = ['echo', 'pingpong'] as const

/** Named networks. */
const NETWORKS = Object.keys(networks) as NetworkName[]

/** An IP address and a port; 0 takes a free one. */
export interface ListenAddr {
  /** Without brackets. */
  readonly ip: string
  readonly port: number
}

/** What a node is made of: the whole configuration, complete and checked. Names are go-ethereum's. */
export interface NodeConfig {
  /** Absolute. */
  readonly dataDir: string
  readonly listenAddr: ListenAddr
  /** Where discovery listens, by UDP. */
  readonly discAddr: ListenAddr
  readonly noDiscovery: boolean
  readonly discoveryV4: boolean
  readonly discoveryV5: boolean
  /** Whose bootnodes and trees are used where none are given; undefined: nobody's. */
  readonly network: NetworkName | undefined
  /** Lists of nodes in DNS, as `enrtree://…`. */
  readonly dnsTrees: readonly string[]
  readonly maxPeers: number
  readonly maxPendingPeers: number
  readonly dialRatio: number
  readonly noDial: boolean
  readonly staticNodes: readonly string[]
  readonly trustedNodes: readonly string[]
  readonly bootnodes: readonly string[]
  readonly netRestrict: readonly string[]
  readonly name: string
  /** How our ports are mapped and our address outside is learned, in its shortest form: `none`, `any`, `extip:203.0.113.7`. */
  readonly nat: string
  readonly libp2p: Libp2pConfig
  readonly capabilities: readonly (typeof CAPABILITIES)[number][]
}

/** The libp2p side. */
export interface Libp2pConfig {
  /** It is there: asked for, or because one of the others says something of it. */
  readonly isEnabled: boolean
  readonly listen: readonly string[]
  /** Peers that are dialed at the start, where the DHT begins. */
  readonly bootstrap: readonly string[]
  readonly dht: 'none' | 'client' | 'server'
  /** Looks for peers in the local network, and is found there. */
  readonly mdns: boolean
  /** Relays connections of peers that cannot reach one another. */
  readonly relay: boolean
}

/** Where libp2p listens if it is asked for without an address. */
const LIBP2P_LISTEN = '/ip4/0.0.0.0/tcp/4001'

/** Marks a fault of what was named, as an enode URL, in contrast to one of the command line. */
const DATA_FAULT = { isData: true }

/** As a message of zod's: says what is wanted, and what there is. */
function want(what: string): (issue: { readonly input: unknown }) => string {
  return ({ input }) => `want ${what}, not ${shown(input)}`
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}

function wholeNumber(min: number, max: number): z.ZodType<number> {
  const error = want(`a whole number from ${min} to ${max}`)
  return z.number({ error }).refine((value) => Number.isInteger(value) && value >= min && value <= max, { error })
}

/** Text that `read` turns into a value; what it throws is the fault's message. */
function read<T>(what: string, reader: (text: string) => T): z.ZodType<T> {
  return z.string({ error: want(what) }).transform((text, context) => {
    try {
      return reader(text)
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      context.addIssue({ code: 'custom', message, params: DATA_FAULT })
      return z.NEVER
    }
  })
}

/** Text that keeps its form if `check` lets it pass. */
function checked(what: string, check: (text: string) => void): z.ZodType<string> {
  return read(what, (text) => {
    check(text)
    return text.trim()
  })
}

function form<T>(what: string, reader: (text: string) => T | undefined): z.ZodType<T> {
  const error = want(what)
  return z.string({ error }).transform((text, context) => {
    const value = reader(text)
    if (value !== undefined) return value
    context.addIssue({ code: 'custom', message: error({ input: text }) })
    return z.NEVER
  })
}

const anyNode = checked('an enode URL, an ENR or a multiaddr', (text) => void parseNode(text))

const dialableNode = checked('an enode URL, an ENR or a multiaddr', (text) => {
  if (parseNode(text).addresses.length === 0) throw new Error(`node "${text.slice(0, 200)}" has no address to dial: add @HOST:PORT`)
})

const bootnode = checked('an enode URL or an ENR', (text) => {
  if (parseNode(text).endpoints.every(({ tcp, udp }) => (tcp ?? udp) === undefined))
    throw new Error(`bootnode "${text.slice(0, 200)}" has no address: add @HOST:PORT`)
})

const dnsTree = checked('a tree as enrtree://KEY@DOMAIN', (text) => void readTreeUrl(text))

const network = checked('a network as 10.0.0.0/8', (text) => {
  if (parseNetList(text).networks.length === 0) throw new Error('an empty network: want one as 10.0.0.0/8')
})

const libp2pAddress = checked('a multiaddr as /ip4/0.0.0.0/tcp/4001', (text) => {
  const names = namesOf(text)
  if (names.includes('rlpx')) throw new Error(`${text} is for RLPx: give it as listenAddr`)
  const above = names.slice(2).filter((name) => name !== 'p2p')
  if (names[1] !== 'tcp' || above.length > 1 || (above[0] ?? 'ws') !== 'ws')
    throw new Error(`${text} is neither TCP nor WebSocket: want an address as ${LIBP2P_LISTEN} or ${LIBP2P_LISTEN}/ws`)
})

const libp2pPeer = checked('a multiaddr that ends in /p2p/…', (text) => {
  const names = namesOf(text)
  if (names.at(-1) !== 'p2p' || names.length < 2) throw new Error(`${text} names no peer to dial: want a multiaddr that ends in /p2p/…`)
})

/** The protocols of a multiaddr, in order. */
function namesOf(text: string): string[] {
  registerRlpx()
  try {
    return multiaddr(text)
      .getComponents()
      .map(({ name }) => name)
  } catch (error) {
    throw new Error(`bad multiaddr "${text}": ${error instanceof Error ? error.message : error}`)
  }
}

function listOf<T>(item: z.ZodType<T>, what: string): z.ZodType<T[]> {
  return z.array(item, { error: want(`a list of ${what}`) })
}

const shape = {
  dataDir: form('a folder', readFolder).prefault(defaultDataDir),
  listenAddr: form('IP:PORT as 0.0.0.0:30303', readListenAddr).prefault('0.0.0.0:30303'),
  discAddr: form('IP:PORT as 0.0.0.0:30303', readListenAddr).optional(),
  noDiscovery: z.boolean({ error: want('true or false') }).default(false),
  discoveryV4: z.boolean({ error: want('true or false') }).default(true),
  discoveryV5: z.boolean({ error: want('true or false') }).default(true),
  network: z
    .enum(['none', ...NETWORKS], { error: want(`none, ${NETWORKS.join(', ')}`) })
    .default('none')
    .transform((name) => (name === 'none' ? undefined : name)),
  dnsTrees: listOf(dnsTree, 'trees').default([]),
  maxPeers: wholeNumber(1, 10_000).default(50),
  maxPendingPeers: wholeNumber(1, 10_000).default(50),
  dialRatio: wholeNumber(0, 10_000).default(3),
  noDial: z.boolean({ error: want('true or false') }).default(false),
  staticNodes: listOf(dialableNode, 'nodes').default([]),
  trustedNodes: listOf(anyNode, 'nodes').default([]),
  bootnodes: listOf(bootnode, 'nodes').default([]),
  netRestrict: listOf(network, 'networks').default([]),
  name: form('1–64 printable ASCII characters', (text) =>
    /^[\x21-\x7e]([\x20-\x7e]{0,62}[\x21-\x7e])?$/.test(text) ? text : undefined,
  ).default('kumiko'),
  nat: form('none, any, upnp, pmp[:IP], pcp[:IP], stun[:HOST:PORT] or extip:IP', readNat).prefault('none'),
  libp2p: z
    .strictObject(
      {
        isEnabled: z.boolean({ error: want('true or false') }).default(false),
        listen: listOf(libp2pAddress, 'multiaddrs').default([]),
        bootstrap: listOf(libp2pPeer, 'multiaddrs').default([]),
        dht: z.enum(['none', 'client', 'server'], { error: want('none, client or server') }).default('server'),
        mdns: z.boolean({ error: want('true or false') }).default(false),
        relay: z.boolean({ error: want('true or false') }).default(false),
      },
      { error: objectError },
    )
    .prefault({}),
  capabilities: listOf(
    z.enum(CAPABILITIES, { error: want(`one of ${CAPABILITIES.join(', ')}`) }),
    `names: ${CAPABILITIES.join(', ')}`,
  ).default([...CAPABILITIES]),
}

/** The one place where a configuration is checked and completed. */
export const configSchema: z.ZodType<NodeConfig> = z
  .strictObject(shape, { error: objectError })
  .transform((config) => ({ ...config, discAddr: config.discAddr ?? config.listenAddr, libp2p: completed(config.libp2p) }))

/** The dotted paths of all keys that hold a value, in order: `libp2p.listen`. */
export function schemaPaths(): string[] {
  return Object.entries(shape).flatMap(([name, schema]) => {
    const inner = schema instanceof z.ZodPrefault ? schema.def.innerType : schema
    return inner instanceof z.ZodObject ? Object.keys(inner.shape).map((key) => `${name}.${key}`) : [name]
  })
}

/** What says where libp2p is to listen, or whom it is to dial, asks for it. */
function completed(libp2p: Libp2pConfig): Libp2pConfig {
  const { isEnabled, listen, bootstrap, mdns, relay } = libp2p
  const isWanted = isEnabled || listen.length > 0 || bootstrap.length > 0 || mdns || relay
  return { ...libp2p, isEnabled: isWanted, listen: isEnabled && listen.length === 0 ? [LIBP2P_LISTEN] : listen }
}

/** go-ethereum's habit: a folder of the user's, where the system wants it. */
function defaultDataDir(): string {
  if (process.platform === 'win32') return join(process.env.LOCALAPPDATA ?? homedir(), 'Kumiko')
  return process.platform === 'darwin' ? join(homedir(), 'Library', 'Kumiko') : join(homedir(), '.kumiko')
}

function objectError(issue: { readonly code?: string; readonly input: unknown }): string | undefined {
  return issue.code === 'invalid_type' ? want('keys and values')(issue) : undefined
}

function readFolder(text: string): string | undefined {
  if (text === '' || text.includes('\0')) return undefined
  return resolve(text.replace(/^~(?=$|[/\\])/, () => homedir()))
}

/** `0.0.0.0:30303`, `[::]:30303`, or `:30303` for all addresses of this machine. */
function readListenAddr(text: string): ListenAddr | undefined {
  const [, bracketed, plain, port = ''] = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(text.trim()) ?? []
  const ip = bracketed ?? (plain === '' ? '0.0.0.0' : plain)
  if (ip === undefined || parseIp(ip) === undefined || Number(port) > 65_535) return undefined
  return (bracketed === undefined) === ip.includes(':') ? undefined : { ip, port: Number(port) }
}

function readNat(text: string): string | undefined {
  try {
    return formatNat(parseNat(text))
  } catch {
    return undefined
  }
}
