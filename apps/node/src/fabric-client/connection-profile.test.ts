import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { devnet } from '@kumiko/fabric-devnet'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { temporaryFolder } from '../../test/cli.ts'
import { loadCoreConfig } from '../fabric/core-file.ts'
import { ConnectionProfile, type PeerWish } from './connection-profile.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let pem = ''

beforeAll(async () => {
  folder = await temporaryFolder()
  await using network = await devnet()
  pem = network.network.ordererOrganization.tlsCa.certificate
  await writeFile(join(folder.path, 'ca.pem'), pem)
  await writeFile(join(folder.path, 'garbled.pem'), 'certificate')
})

afterAll(async () => await folder?.[Symbol.asyncDispose]())

const PEERS = ['peers:', '  p1: { url: grpc://one:1 }', '  p2: { url: "two:2" }', '  p3: { url: grpc://three:3 }']

async function load(...lines: readonly string[]): Promise<ConnectionProfile> {
  const path = join(folder.path, 'profile.yaml')
  await writeFile(path, lines.join('\n').replaceAll('$', folder.path))
  return await ConnectionProfile.load(path)
}

async function peers(lines: readonly string[], wish: Partial<PeerWish> = {}, env: Readonly<Record<string, string>> = {}) {
  const { config } = await loadCoreConfig({ env })
  return await (await load(...lines)).peers({ channelId: 'ch', targetPeer: undefined, isOwnOnly: false, ...wish }, config)
}

async function addresses(lines: readonly string[], wish: Partial<PeerWish> = {}): Promise<readonly string[]> {
  return (await peers(lines, wish)).map(({ address }) => address)
}

async function refusal(lines: readonly string[], wish: Partial<PeerWish> = {}): Promise<string> {
  const why: unknown = await peers(lines, wish).catch((error: unknown) => error)
  return why instanceof Error ? why.message.replaceAll(`${folder.path}/`, '') : 'none'
}

describe('peers', () => {
  it('are those of the channel that endorse, the own organisation’s first', async () => {
    const channel = ['channels: { ch: { peers: { p1: , p2: { endorsingPeer: false }, p3: { endorsingPeer: true } } } }']
    const client = ['client: { organization: Org3 }', 'organizations: { Org3: { peers: [p2, p3] }, Org1: { peers: [p1] } }']
    expect(await addresses([...channel, ...PEERS])).toEqual(['one:1', 'three:3'])
    expect(await addresses([...channel, ...client, ...PEERS])).toEqual(['three:3', 'one:1'])
    expect(await addresses([...channel, ...client, ...PEERS], { isOwnOnly: true })).toEqual(['three:3'])
  })

  it('are all where the profile does not say which the channel has', async () => {
    expect(await addresses(PEERS)).toEqual(['one:1', 'two:2', 'three:3'])
    expect(await addresses(['channels: { ch: { orderers: [o] } }', ...PEERS])).toEqual(['one:1', 'two:2', 'three:3'])
  })

  it('are the one that is named, also where there is no channel', async () => {
    expect(await addresses(PEERS, { channelId: undefined, targetPeer: 'p2' })).toEqual(['two:2'])
    expect(await addresses(PEERS.slice(0, 2), { channelId: undefined })).toEqual(['one:1'])
    expect(await refusal(PEERS, { channelId: undefined })).toBe(
      '--targetPeer must be specified for channel-less operation using connection profile: p1, p2, p3',
    )
  })

  it('are reached with TLS as their address says it, or core.yaml', async () => {
    const roots = [new TextEncoder().encode(pem)]
    const options = 'grpcOptions: { hostnameOverride: p1.example.com }'
    const inline = (url: string) => ['peers:', `  p1: { url: "${url}", tlsCACerts: { pem: ${JSON.stringify(pem)} }, ${options} }`]
    const secure = { address: 'one:1', tlsRoots: roots, serverNameOverride: 'p1.example.com' }
    expect(await peers(inline('grpcs://one:1'))).toEqual([secure])
    expect(await peers(inline('one:1'), {}, { CORE_PEER_TLS_ENABLED: 'true' })).toEqual([secure])
    expect(await peers(inline('one:1'))).toEqual([{ address: 'one:1' }])
    expect(await peers(inline('grpc://one:1'), {}, { CORE_PEER_TLS_ENABLED: 'true' })).toEqual([{ address: 'one:1' }])
    const file = ['peers: { p1: { url: "grpcs://one:1", tlsCACerts: { path: "$/ca.pem" } } }']
    expect(await peers(file)).toEqual([{ address: 'one:1', tlsRoots: roots }])
    const none = ['peers: { p1: { url: "grpcs://one:1" } }']
    const env = { CORE_PEER_TLS_ROOTCERT_FILE: join(folder.path, 'ca.pem') }
    expect(await peers(none, {}, env)).toEqual([{ address: 'one:1', tlsRoots: roots }])
  })
})

describe('a bad profile is refused with one line: what, where, and the mend', () => {
  it.each([
    [
      ['a: ['],
      'profile.yaml:1:5: not valid YAML or JSON: Flow sequence in block collection must be sufficiently indented and end with a ]',
    ],
    [['text'], 'profile.yaml: want keys and values, not "text"'],
    [['peers: [p1]'], 'profile.yaml:1: peers: want keys and values, not ["p1"]'],
    [['peers:', '  p1: {}'], 'profile.yaml:2: peers.p1.url: want grpcs://host:port: it is missing'],
    [['peers:', '  p1:', '    url: http://one:1'], 'profile.yaml:3: peers.p1.url: want grpcs://host:port, not "http://one:1"'],
    [['peers: { p1: { url: "grpc://one:70000" } }'], 'profile.yaml:1: peers.p1.url: want grpcs://host:port, not "grpc://one:70000"'],
    [
      ['peers:', '  p1:', '    url: grpcs://one:1'],
      "profile.yaml:2: peers.p1.tlsCACerts: want the TLS CA's certificate: its path, or it itself as pem",
    ],
    [
      ['peers:', '  p1:', '    url: grpcs://one:1', '    tlsCACerts: { path: $/none.pem }'],
      'profile.yaml:4: peers.p1.tlsCACerts: cannot read "none.pem" (ENOENT): correct the path or make it readable',
    ],
    [
      ['peers:', '  p1: { url: "grpcs://one:1", tlsCACerts: { path: $/garbled.pem } }'],
      'profile.yaml:2: peers.p1.tlsCACerts: want a certificate as PEM in garbled.pem',
    ],
    [
      ['peers:', '  p1: { url: "grpcs://one:1", tlsCACerts: { pem: "certificate" } }'],
      'profile.yaml:2: peers.p1.tlsCACerts: want a certificate as PEM',
    ],
    [
      ['channels: { other: {}, another: {} }', ...PEERS],
      'profile.yaml:1: channels: want channel "ch", not only other, another: add it, or name another with -C',
    ],
    [
      ['channels: { ch: { peers: { p4: {} } } }', ...PEERS],
      'profile.yaml:2: peers: want "p4", not only p1, p2, p3: say there how it is reached',
    ],
    [
      ['channels: { ch: { peers: { p1: { endorsingPeer: 1 } } } }'],
      'profile.yaml:1: channels.ch.peers.p1.endorsingPeer: want true or false, not 1',
    ],
    [['channels: { ch: { peers: { p1: { endorsingPeer: false } } } }'], 'profile.yaml:1: channels.ch.peers: want a peer that endorses'],
    [['name: empty'], 'profile.yaml: peers: want a peer that endorses'],
  ])('%j', async (lines, message) => {
    expect(await refusal(lines)).toBe(message)
  })

  it('where a peer that is not there is named', async () => {
    expect(await refusal(PEERS, { targetPeer: '__proto__' })).toBe(
      'profile.yaml:1: peers: want "__proto__", not only p1, p2, p3: say there how it is reached',
    )
  })
})
