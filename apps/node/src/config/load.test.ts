import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ConfigError } from './config-error.ts'
import { CONFIG_KEYS, envName } from './keys.ts'
import { type ConfigSources, type LoadedConfig, loadConfig } from './load.ts'
import { schemaPaths } from './schema.ts'

const KEY =
  '4a80ae4a907b693b795ce5a0326a9ec4b3f6e0aeb41b86b15708bb2f93f92b685aa6e613112c709240da27d8bab670da39df385808bd0aa95e56103b4515cedd'
const TREE = 'enrtree://AM5FCQLWIZX2QFPNJAP7VUERCCRNGRHWZG3YYHIUV7BVDQ5FDPRT2@'
const PEER = '/p2p/16Uiu2HAmPLe7Mzm8TsYUubgCAW1aJoeFScxrLj8ppHFivPo97bUZ'
const NODE = `enode://${KEY}@127.0.0.1:30303`

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kumiko-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true })
})

interface Given {
  readonly flags?: Readonly<Record<string, string>>
  readonly env?: ConfigSources['env']
  /** The text of a config file. */
  readonly file?: string
}

async function load({ flags = {}, env = {}, file }: Given): Promise<LoadedConfig> {
  const path = join(folder, 'kumiko.yaml')
  if (file !== undefined) await writeFile(path, file)
  return await loadConfig({ flags: new Map(Object.entries(flags)), env, file: file === undefined ? undefined : path })
}

/** The faults as lines, without the folder. */
async function faults(given: Given): Promise<{ lines: string[]; isUsage: boolean }> {
  try {
    await load(given)
  } catch (error) {
    if (error instanceof ConfigError) return { lines: error.lines.map((line) => line.replaceAll(`${folder}/`, '')), isUsage: error.isUsage }
    throw error
  }
  return { lines: [], isUsage: false }
}

test('the keys of flags and variables are those of the schema', () => {
  expect(CONFIG_KEYS.map(({ path }) => path)).toEqual(schemaPaths())
})

test('without anything, there is a complete configuration', async () => {
  const { config, origins } = await load({})
  expect(config).toMatchObject({
    listenAddr: { ip: '0.0.0.0', port: 30303 },
    discAddr: { ip: '0.0.0.0', port: 30303 },
    noDiscovery: false,
    discoveryV4: true,
    discoveryV5: true,
    network: undefined,
    dnsTrees: [],
    maxPeers: 50,
    maxPendingPeers: 50,
    dialRatio: 3,
    noDial: false,
    staticNodes: [],
    name: 'kumiko',
    nat: 'none',
    libp2p: { isEnabled: false, listen: [], bootstrap: [], dht: 'server', mdns: false, relay: false },
    capabilities: ['echo', 'pingpong'],
  })
  expect(config.dataDir).toMatch(/kumiko$/i)
  expect([...origins.values()]).toEqual(CONFIG_KEYS.map(() => 'default'))
})

describe('precedence', () => {
  /** Two values a key: text, and what becomes of it. */
  const values: Readonly<Record<string, readonly [string, string, string]>> = {
    dataDir: ['/a', '/b', '/c'],
    listenAddr: ['127.0.0.1:1', '127.0.0.1:2', '127.0.0.1:3'],
    discAddr: ['127.0.0.1:1', '127.0.0.1:2', '127.0.0.1:3'],
    noDiscovery: ['true', 'true', 'true'],
    discoveryV4: ['false', 'false', 'false'],
    discoveryV5: ['false', 'false', 'false'],
    network: ['mainnet', 'sepolia', 'hoodi'],
    dnsTrees: [`["${TREE}a"]`, `${TREE}b`, `${TREE}c`],
    maxPeers: ['1', '2', '3'],
    maxPendingPeers: ['1', '2', '3'],
    dialRatio: ['1', '2', '3'],
    noDial: ['true', 'true', 'true'],
    staticNodes: [`[${NODE}]`, NODE.replace('30303', '1'), NODE.replace('30303', '2')],
    trustedNodes: [`[${NODE}]`, NODE.replace('30303', '1'), NODE.replace('30303', '2')],
    bootnodes: [`[${NODE}]`, NODE.replace('30303', '1'), NODE.replace('30303', '2')],
    netRestrict: ['[10.0.0.0/8]', '11.0.0.0/8', '12.0.0.0/8'],
    name: ['a', 'b', 'c'],
    nat: ['upnp', 'extip:10.0.0.2', 'stun:stun.example.org:3478'],
    'libp2p.isEnabled': ['true', 'true', 'true'],
    'libp2p.listen': ['[/ip4/127.0.0.1/tcp/1]', '/ip4/127.0.0.1/tcp/2', '/ip4/127.0.0.1/tcp/3'],
    'libp2p.bootstrap': [`[/ip4/127.0.0.1/tcp/1${PEER}]`, `/ip4/127.0.0.1/tcp/2${PEER}`, `/ip4/127.0.0.1/tcp/3${PEER}`],
    'libp2p.dht': ['none', 'client', 'server'],
    'libp2p.mdns': ['true', 'true', 'true'],
    'libp2p.relay': ['true', 'true', 'true'],
    capabilities: ['[echo]', 'pingpong', 'echo,pingpong'],
  }

  test.each(CONFIG_KEYS.map((key) => [key.path, key] as const))('%s: flag over environment over file', async (path, key) => {
    const [inFile = '', inEnv = '', onLine = ''] = values[path] ?? []
    const file = path.includes('.') ? `${path.replace('.', ':\n  ')}: ${inFile}\n` : `${path}: ${inFile}\n`
    const env = { [envName(key)]: inEnv }
    const loaded = [await load({ file }), await load({ file, env }), await load({ file, env, flags: { [path]: onLine } })]
    const flag = key.flag.split(/[ ,]/)[0]
    expect(loaded.map(({ origins }) => origins.get(path)?.replace(`${folder}/`, ''))).toEqual([
      `kumiko.yaml:${path.includes('.') ? 2 : 1}`,
      envName(key),
      flag,
    ])
    const [first, second, third] = loaded.map(({ config }) => JSON.stringify(config))
    if (key.kind !== 'boolean') expect(new Set([first, second, third]).size).toBe(3)
  })

  test('an empty variable says nothing, and a list replaces the one below it', async () => {
    const { config, origins } = await load({
      file: 'netRestrict: [10.0.0.0/8, 11.0.0.0/8]\n',
      env: { KUMIKO_MAX_PEERS: '', KUMIKO_NET_RESTRICT: '12.0.0.0/8, 13.0.0.0/8', KUMIKO_NO_DIAL: '1' },
    })
    expect([config.maxPeers, origins.get('maxPeers')]).toEqual([50, 'default'])
    expect(config.netRestrict).toEqual(['12.0.0.0/8', '13.0.0.0/8'])
    expect(config.noDial).toBe(true)
  })

  test('KUMIKO_CONFIG names the file', async () => {
    await writeFile(join(folder, 'other.json'), '{\n\t"maxPeers": 7\n}\n')
    const { config, origins } = await loadConfig({ flags: new Map(), env: { KUMIKO_CONFIG: join(folder, 'other.json') } })
    expect([config.maxPeers, origins.get('maxPeers')]).toEqual([7, join(folder, 'other.json:2')])
  })
})

describe('faults', () => {
  test('are told all at once, each with its place', async () => {
    const file = `maxPeers: 0
maxpeerz: 3
libp2p:
  listn: []
  listen:
    - /ip4/1.2.3.4/udp/5
    - /ip4/1.2.3.4/tcp/5/wss
staticNodes:
  - ${NODE}
  - enode://${KEY}
`
    const { lines, isUsage } = await faults({ file, env: { KUMIKO_DIAL_RATIO: 'x', KUMIKO_MAXPEERS: '1' }, flags: { nat: 'upnpp' } })
    expect(lines.sort()).toEqual([
      '--nat: nat: want none, any, upnp, pmp[:IP], pcp[:IP], stun[:HOST:PORT] or extip:IP, not "upnpp"',
      'KUMIKO_DIAL_RATIO: dialRatio: want a whole number from 0 to 10000, not "x"',
      'KUMIKO_MAXPEERS: unknown variable (did you mean "KUMIKO_MAX_PEERS"?)',
      `kumiko.yaml:10: staticNodes[1]: node "enode://${KEY}" has no address to dial: add @HOST:PORT`,
      'kumiko.yaml:1: maxPeers: want a whole number from 1 to 10000, not 0',
      'kumiko.yaml:2: maxpeerz: unknown key (did you mean "maxPeers"?)',
      'kumiko.yaml:4: libp2p.listn: unknown key (did you mean "listen"?)',
      'kumiko.yaml:6: libp2p.listen[0]: /ip4/1.2.3.4/udp/5 is neither TCP nor WebSocket: want an address as /ip4/0.0.0.0/tcp/4001 or /ip4/0.0.0.0/tcp/4001/ws',
      'kumiko.yaml:7: libp2p.listen[1]: /ip4/1.2.3.4/tcp/5/wss is neither TCP nor WebSocket: want an address as /ip4/0.0.0.0/tcp/4001 or /ip4/0.0.0.0/tcp/4001/ws',
    ])
    expect(isUsage).toBe(false)
  })

  test.each<[string, unknown, string]>([
    ['dataDir', '', 'want a folder, not ""'],
    ['listenAddr', 'localhost:1', 'want IP:PORT as 0.0.0.0:30303, not "localhost:1"'],
    ['listenAddr', '127.0.0.1:65536', 'want IP:PORT as 0.0.0.0:30303, not "127.0.0.1:65536"'],
    ['listenAddr', '::1:30303', 'want IP:PORT as 0.0.0.0:30303, not "::1:30303"'],
    ['maxPeers', 10_001, 'want a whole number from 1 to 10000, not 10001'],
    ['maxPeers', 1.5, 'want a whole number from 1 to 10000, not 1.5'],
    ['maxPeers', null, 'want a whole number from 1 to 10000, not null'],
    ['maxPendingPeers', -1, 'want a whole number from 1 to 10000, not -1'],
    ['dialRatio', 'a', 'want a whole number from 0 to 10000, not "a"'],
    ['noDial', 'yes', 'want true or false, not "yes"'],
    ['staticNodes', NODE, `want a list of nodes, not "${NODE.slice(0, 79)}…`],
    ['trustedNodes[0]', ['foo'], 'bad node "foo": want enode://…, enr:… or a multiaddr with /p2p/…'],
    ['bootnodes[0]', [5], 'want an enode URL or an ENR, not 5'],
    ['bootnodes[0]', [`enode://${KEY}`], `bootnode "enode://${KEY}" has no address: add @HOST:PORT`],
    ['discAddr', '127.0.0.1', 'want IP:PORT as 0.0.0.0:30303, not "127.0.0.1"'],
    ['discoveryV4', 'perhaps', 'want true or false, not "perhaps"'],
    ['network', 'ropsten', 'want none, mainnet, sepolia, hoodi, holesky, not "ropsten"'],
    ['dnsTrees[0]', ['enrtree://x@y'], 'bad tree URL "enrtree://x@y": bad public key; want enrtree://<key>@<domain>'],
    ['netRestrict[0]', ['10.0.0.0/99'], 'bad IP network "10.0.0.0/99": the prefix length must be within 0–32, as in 10.0.0.0/8'],
    ['netRestrict[0]', [''], 'an empty network: want one as 10.0.0.0/8'],
    ['name', 'a\u0007b', 'want 1–64 printable ASCII characters, not "a\\u0007b"'],
    ['nat', 'extip:1.2.3', 'want none, any, upnp, pmp[:IP], pcp[:IP], stun[:HOST:PORT] or extip:IP, not "extip:1.2.3"'],
    ['nat', 'pmp:fe80::1', 'want none, any, upnp, pmp[:IP], pcp[:IP], stun[:HOST:PORT] or extip:IP, not "pmp:fe80::1"'],
    ['libp2p', 5, 'want keys and values, not 5'],
    ['libp2p.listen[0]', ['/ip4/127.0.0.1/tcp/1/rlpx'], '/ip4/127.0.0.1/tcp/1/rlpx is for RLPx: give it as listenAddr'],
    ['libp2p.listen[0]', ['x'], 'bad multiaddr "x": String multiaddr must start with "/"'],
    ['capabilities[0]', ['foo'], 'want one of echo, pingpong, not "foo"'],
  ])('%s: %j', async (place, value, message) => {
    const path = place.replace(/\[0\]$/, '')
    const [first = '', second] = path.split('.')
    const file = JSON.stringify({ [first]: second === undefined ? value : { [second]: value } })
    expect((await faults({ file })).lines).toEqual([expect.stringContaining(`kumiko.yaml:1: ${place}: ${message}`)])
  })

  test('of the command line alone are usage; of what it names, they are not', async () => {
    expect((await faults({ flags: { maxPeers: '0' } })).isUsage).toBe(true)
    expect(await faults({ flags: { staticNodes: 'foo' } })).toMatchObject({
      lines: [expect.stringContaining('--static: staticNodes[0]: bad node')],
      isUsage: false,
    })
    expect((await faults({ env: { KUMIKO_MAX_PEERS: '0' } })).isUsage).toBe(false)
  })

  test.each([
    ['a: [1', 'kumiko.yaml:1:6: not valid YAML or JSON: Flow sequence in block collection must be sufficiently indented and end with a ]'],
    ['maxPeers: 1\nmaxPeers: 2\n', 'kumiko.yaml:2:1: not valid YAML or JSON: Map keys must be unique'],
    ['a: *b\n', 'kumiko.yaml: not valid YAML or JSON: Unresolved alias (the anchor must be set before the alias): b'],
    ['- 1\n', 'kumiko.yaml: want keys and values, not [1]'],
    ['\u0000\u0001', 'kumiko.yaml: want keys and values, not'],
  ])('a corrupt file: %j', async (file, line) => {
    expect((await faults({ file })).lines).toEqual([expect.stringContaining(line)])
  })

  test('a file that cannot be read, or has no end', async () => {
    const unreadable = async (file: string): Promise<void> => void (await loadConfig({ flags: new Map(), env: {}, file }))
    await expect(unreadable(join(folder, 'none.yaml'))).rejects.toMatchObject({ code: 'node/unreadable-config' })
    await expect(unreadable(folder)).rejects.toMatchObject({ code: 'node/unreadable-config' })
    if (process.platform !== 'win32') await expect(unreadable('/dev/zero')).rejects.toThrow('more than 1048576 bytes')
  })
})
