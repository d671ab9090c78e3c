import { type Devnet, devnet } from '@kumiko/fabric-devnet'
import { type Context, Contract } from 'fabric-contract-api'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { couchStateDatabase } from '../src/couch-state-database.ts'
import { type CouchServer, couchServer } from './couch-server.ts'

const COLOURS = ['black', 'red', 'yellow']

class Queries extends Contract {
  async fill({ stub }: Context): Promise<void> {
    for (const [at, color] of COLOURS.entries()) await stub.putState(`key${at}`, Buffer.from(JSON.stringify({ color, size: at })))
  }

  async query({ stub }: Context, selector: string): Promise<string> {
    const found: unknown[] = []
    for await (const { key, value } of stub.getQueryResult(selector)) found.push([key, JSON.parse(Buffer.from(value).toString())])
    return JSON.stringify(found)
  }
}

/** By unmodified clients and contracts, with a peer of a whole network. */
describe('Chaincode query', () => {
  let couch: CouchServer
  let net: Devnet

  beforeAll(async () => {
    couch = await couchServer()
    net = await devnet({
      contracts: { queries: Queries },
      openState: (_, channelId) => couchStateDatabase({ url: couch.url, channelId, warn: () => {} }),
    })
    await (await net.contract('queries')).submitTransaction('fill')
  })
  afterAll(async () => {
    await net.stop()
    await couch.close()
  })

  async function found(selector: unknown): Promise<unknown> {
    const answer = await (await net.contract('queries')).evaluateTransaction('query', JSON.stringify({ selector }))
    return JSON.parse(Buffer.from(answer).toString())
  }

  it('should perform an equals query', async () => {
    expect(await found({ color: { $eq: 'red' } })).toEqual([['key1', { color: 'red', size: 1 }]])
  })

  it('should perform an regex query', async () => {
    expect(await found({ color: { $regex: '^[bry].*[dk]$' } })).toEqual([
      ['key0', { color: 'black', size: 0 }],
      ['key1', { color: 'red', size: 1 }],
    ])
  })
})
