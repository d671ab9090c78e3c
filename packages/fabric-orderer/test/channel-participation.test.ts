import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeBlock } from '@kumiko/fabric-protocol'
import { goldenFile } from '@kumiko/golden-channel'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type ChannelParticipation, channelParticipation } from '../src/channel-participation.ts'
import { type Orderer, orderer } from '../src/orderer.ts'
import { CHANNEL, genesis, type Identities, identities, transaction } from './network.ts'

let who: Identities
let folder: string
let node: Orderer
let service: ChannelParticipation

beforeAll(async () => {
  who = await identities()
})

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kumiko-orderer-'))
  node = orderer({ folder, signer: who.orderer })
  await node.start()
  service = channelParticipation(node, { listen: '127.0.0.1:0' })
  await service.start()
})

afterEach(async () => {
  await service.stop()
  await node.stop()
  await rm(folder, { recursive: true })
})

interface Told {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

async function ask(path: string, init: RequestInit = {}): Promise<Told> {
  const response = await fetch(`http://${service.address}${path}`, { redirect: 'manual', ...init })
  return { status: response.status, headers: response.headers, text: await response.text() }
}

const CHANNELS = '/participation/v1/channels'

function formOf(parts: Readonly<Record<string, Uint8Array<ArrayBuffer> | string>>): RequestInit {
  const form = new FormData()
  for (const [name, part] of Object.entries(parts))
    form.set(name, typeof part === 'string' ? part : new Blob([part]), ...(typeof part === 'string' ? [] : ['file']))
  return { method: 'POST', body: form }
}

describe('channelParticipation', () => {
  it('lists, joins, tells and removes, as osnadmin has it', async () => {
    expect(await ask(CHANNELS)).toMatchObject({ status: 200, text: '{"systemChannel":null,"channels":null}\n' })
    const join = formOf({ 'config-block': Uint8Array.from(writeBlock(await genesis())) })
    const joined = await ask(CHANNELS, join)
    const info =
      '{"name":"mychannel","url":"/participation/v1/channels/mychannel","consensusRelation":"consenter","status":"active","height":1}\n'
    expect([joined.status, joined.text, joined.headers.get('location')]).toEqual([201, info, `${CHANNELS}/mychannel`])
    const listed = await ask(CHANNELS)
    expect(listed.text).toBe('{"systemChannel":null,"channels":[{"name":"mychannel","url":"/participation/v1/channels/mychannel"}]}\n')
    expect([listed.headers.get('cache-control'), listed.headers.get('content-type')]).toEqual(['no-store', 'application/json'])
    const again = await ask(CHANNELS, join)
    expect([again.status, again.text, again.headers.get('allow')]).toEqual([
      405,
      '{"error":"cannot join: channel already exists"}\n',
      'GET, DELETE',
    ])
    for (let sent = 0; sent < 3; sent++) await node.broadcast(transaction(who.client))
    for await (const _ of node.channel(CHANNEL)?.blocks(1n) ?? []) break
    expect((await ask(`${CHANNELS}/mychannel`)).text).toBe(info.replace('"height":1', '"height":2'))
    expect(await ask(`${CHANNELS}/mychannel`, { method: 'DELETE' })).toMatchObject({ status: 204, text: '' })
    expect(await ask(`${CHANNELS}/mychannel`)).toMatchObject({ status: 404, text: '{"error":"channel does not exist"}\n' })
    expect(await ask(`${CHANNELS}/mychannel`, { method: 'DELETE' })).toMatchObject({
      status: 404,
      text: '{"error":"cannot remove: channel does not exist"}\n',
    })
  })

  it('refuses what it cannot take', async () => {
    const error = async (path: string, init?: RequestInit) => {
      const { status, text } = await ask(path, init)
      return [status, text.trim()]
    }
    const block = writeBlock(await genesis())
    expect(await error(`${CHANNELS}/Bad`)).toEqual([400, `{"error":"invalid channel ID: 'Bad' contains illegal characters"}`])
    expect(await error(CHANNELS, { method: 'PATCH' })).toEqual([405, '{"error":"invalid request method: PATCH"}'])
    expect(await error(CHANNELS, { method: 'POST', body: 'x', headers: { 'Content-Type': 'text/plain' } })).toEqual([
      400,
      '{"error":"unsupported Content-Type: [text/plain]"}',
    ])
    expect(await error(CHANNELS, { headers: { Accept: 'text/html' } })).toEqual([
      406,
      '{"error":"response Content-Type is application/json only"}',
    ])
    expect(await error(CHANNELS, formOf({ other: Uint8Array.of(1) }))).toEqual([
      400,
      '{"error":"form does not contains part key: config-block"}',
    ])
    expect(await error(CHANNELS, formOf({ 'config-block': Uint8Array.from(block), more: 'x' }))).toEqual([
      400,
      '{"error":"form contains too many parts"}',
    ])
    expect(await error(CHANNELS, formOf({ 'config-block': Uint8Array.of(1, 2, 3) }))).toMatchObject([
      400,
      expect.stringContaining('into a block'),
    ])
    const notConfig = Uint8Array.from(goldenFile('orderer-blocks/block_1.block'))
    expect(await error(CHANNELS, formOf({ 'config-block': notConfig }))).toEqual([
      400,
      '{"error":"invalid join block: block is not a config block"}',
    ])
    expect(await error(CHANNELS, formOf({ 'config-block': new Uint8Array(1_100_000) }))).toEqual([
      400,
      '{"error":"cannot read form from request body: http: request body too large"}',
    ])
    const boundary = 'x'.repeat(5000)
    const headers = { 'Content-Type': `multipart/form-data; boundary=${boundary}` }
    expect(await error(CHANNELS, { method: 'POST', body: `--${boundary.slice(1)}`.repeat(200), headers })).toEqual([
      400,
      '{"error":"cannot read form from request body: multipart: boundary is too long"}',
    ])
    expect(await error('/participation/v1/')).toEqual([302, ''])
    for (const path of ['/else', `${CHANNELS}/`, `${CHANNELS}/mychannel/`]) expect(await ask(path)).toMatchObject({ status: 404, text: '' })
    expect(node.channels()).toEqual([])
  })

  it('serves over TLS who shows a certificate, and nobody else', async () => {
    const tls = 'crypto/ordererOrganizations/example.com/orderers/orderer.example.com/tls'
    const [certificate, privateKey, root] = [goldenFile(`${tls}/server.crt`), goldenFile(`${tls}/server.key`), goldenFile(`${tls}/ca.crt`)]
    const secure = channelParticipation(node, { listen: '127.0.0.1:0', tls: { certificate, privateKey, clientRootCas: [root] } })
    await secure.start()
    const get = (client: { readonly cert?: Buffer; readonly key?: Buffer }): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        const options = { ca: Buffer.from(root), checkServerIdentity: () => undefined, ...client, agent: false as const }
        request(`https://${secure.address}${CHANNELS}`, options, (response) => {
          response.resume()
          resolve(response.statusCode)
        })
          .once('error', reject)
          .end()
      })
    try {
      expect(await get({ cert: Buffer.from(certificate), key: Buffer.from(privateKey) })).toBe(200)
      await expect(get({})).rejects.toThrow()
    } finally {
      await secure.stop()
    }
  })
})
