/** How one key of the configuration is given outside of a file. */
export interface ConfigKey {
  /** `libp2p.listen`. */
  readonly path: string
  readonly kind: 'text' | 'number' | 'boolean' | 'list'
  /** As commander writes it. */
  readonly flag: string
  /** One line. */
  readonly help: string
}

/** Every key, in the schema's order. */
export const CONFIG_KEYS: readonly ConfigKey[] = [
  { path: 'dataDir', kind: 'text', flag: '--data-dir <folder>', help: 'key, sequence number and datastore; default: ~/.kumiko' },
  {
    path: 'listenAddr',
    kind: 'text',
    flag: '--listen-addr <ip:port>',
    help: 'RLPx listens here; port 0 takes a free one; default: 0.0.0.0:30303',
  },
  { path: 'discAddr', kind: 'text', flag: '--disc-addr <ip:port>', help: 'discovery listens here, by UDP; default: as --listen-addr' },
  { path: 'noDiscovery', kind: 'boolean', flag: '--no-discovery', help: 'look for no nodes, and be found by none' },
  { path: 'discoveryV4', kind: 'boolean', flag: '--discovery-v4 [on]', help: 'discv4; default: true' },
  { path: 'discoveryV5', kind: 'boolean', flag: '--discovery-v5 [on]', help: 'discv5; default: true' },
  {
    path: 'network',
    kind: 'text',
    flag: '--network <name>',
    help: 'whose bootnodes and trees to use: none, mainnet, sepolia, hoodi, holesky; default: none',
  },
  { path: 'dnsTrees', kind: 'list', flag: '--dns-trees <urls>', help: 'lists of nodes in DNS: enrtree://KEY@DOMAIN' },
  { path: 'maxPeers', kind: 'number', flag: '--max-peers <n>', help: 'peers at most; default: 50' },
  { path: 'maxPendingPeers', kind: 'number', flag: '--max-pending-peers <n>', help: 'connections being set up, each way; default: 50' },
  {
    path: 'dialRatio',
    kind: 'number',
    flag: '--dial-ratio <n>',
    help: 'one peer of so many is dialed by us; 0: static ones only; default: 3',
  },
  { path: 'noDial', kind: 'boolean', flag: '--no-dial', help: 'dial nobody unasked' },
  { path: 'staticNodes', kind: 'list', flag: '--static, --static-nodes <nodes>', help: 'kept connected, dialed again when lost' },
  { path: 'trustedNodes', kind: 'list', flag: '--trusted, --trusted-nodes <nodes>', help: 'admitted above all limits' },
  { path: 'bootnodes', kind: 'list', flag: '--bootnodes <nodes>', help: 'where discovery begins; dialed when there are no peers' },
  { path: 'netRestrict', kind: 'list', flag: '--net-restrict <networks>', help: 'only these IP networks; default: all' },
  { path: 'name', kind: 'text', flag: '--name <name>', help: 'what we call ourselves; default: kumiko' },
  {
    path: 'nat',
    kind: 'text',
    flag: '--nat <how>',
    help: 'port mapping: none, any, upnp, pmp[:IP], pcp[:IP], stun[:HOST:PORT] or extip:IP; default: none',
  },
  {
    path: 'libp2p.isEnabled',
    kind: 'boolean',
    flag: '--libp2p',
    help: 'libp2p, too: identify, ping, DHT; listens on /ip4/0.0.0.0/tcp/4001 if nothing else is said',
  },
  {
    path: 'libp2p.listen',
    kind: 'list',
    flag: '--libp2p-listen <addresses>',
    help: 'multiaddrs for libp2p: TCP or WebSocket, noise, yamux; default: none',
  },
  {
    path: 'libp2p.bootstrap',
    kind: 'list',
    flag: '--libp2p-bootstrap <addresses>',
    help: 'libp2p peers to begin at, as /ip4/…/tcp/…/p2p/…; default: none',
  },
  { path: 'libp2p.dht', kind: 'text', flag: '--libp2p-dht <mode>', help: 'part in the DHT: none, client or server; default: server' },
  { path: 'libp2p.mdns', kind: 'boolean', flag: '--libp2p-mdns', help: 'look for libp2p peers in the local network' },
  { path: 'libp2p.relay', kind: 'boolean', flag: '--libp2p-relay', help: 'relay for libp2p peers that cannot reach one another' },
  { path: 'capabilities', kind: 'list', flag: '--capabilities <names>', help: 'devp2p capabilities to serve; default: echo,pingpong' },
]

/** `libp2p.listen` → `KUMIKO_LIBP2P_LISTEN`. */
export function envName({ path }: ConfigKey): string {
  return `KUMIKO_${path
    .replace(/[A-Z]/g, (letter) => `_${letter}`)
    .replaceAll('.', '_')
    .toUpperCase()}`
}

/** Text as a key wants it: what is no number or truth value stays text, for the schema to refuse. */
export function fromText({ kind }: ConfigKey, text: string): unknown {
  const trimmed = text.trim()
  if (kind === 'number') return /^[+-]?\d+(\.\d+)?$/.test(trimmed) ? Number(trimmed) : text
  if (kind === 'boolean') return { true: true, '1': true, false: false, '0': false }[trimmed] ?? text
  if (kind === 'list')
    return trimmed
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '')
  return text
}
