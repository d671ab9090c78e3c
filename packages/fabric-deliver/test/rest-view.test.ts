import { encodeUtf8 } from '@kumiko/fabric-protocol'
import { GOLDEN_HEIGHT, goldenBlocks } from '@kumiko/golden-channel'
import { must } from '@kumiko/testkit'
import { describe, expect, it } from 'vitest'
import { type RestResponse, restView } from '../src/legacy/rest-view.ts'
import { CHANNEL, goldenPeerBlock } from './golden.ts'

const transaction = must(goldenBlocks()[10]?.txs[0])
const calls: string[] = []

const routes = restView({
  channelId: CHANNEL,
  ledger: (channelId) => {
    if (channelId !== CHANNEL) return
    return {
      info: { height: BigInt(GOLDEN_HEIGHT), currentHash: Uint8Array.of(1, 2, 3), previousHash: Uint8Array.of(4) },
      blocks: {
        block: async (number) => goldenPeerBlock(Number(number)),
        transaction: async (txId) =>
          txId === transaction.txId ? { blockNumber: 10n, validationCode: 0, envelope: must(goldenPeerBlock(10).data[0]) } : undefined,
      },
    }
  },
  peers: async () => [{ mspId: 'Org1MSP', endpoint: 'peer0:7051' }],
  chaincode: {
    query: async (channelId, chaincode, args) => {
      if (chaincode === 'broken') throw new Error('it broke')
      calls.push(`${channelId} ${chaincode} ${Buffer.concat(args)}`)
      return encodeUtf8('seven')
    },
    invoke: async () => 'a-transaction',
  },
})

/** As an operations listener does. */
async function ask(method: string, url: string, body: unknown = ''): Promise<{ readonly status: number; readonly json: unknown }> {
  const { pathname, searchParams } = new URL(url, 'http://peer')
  const route = must(routes.find(({ path }) => (path.endsWith('/') ? pathname.startsWith(path) : pathname === path)))
  const bytes = encodeUtf8(typeof body === 'string' ? body : JSON.stringify(body))
  const { status, body: text }: RestResponse = await route.handle({ method, path: pathname, query: searchParams, body: bytes })
  return { status, json: text === '' ? undefined : JSON.parse(text) }
}

describe('the view over HTTP', () => {
  it('shows the chain, its blocks and transactions, and peers', async () => {
    expect(await ask('GET', '/chain')).toEqual({
      status: 200,
      json: { height: GOLDEN_HEIGHT, currentBlockHash: 'AQID', previousBlockHash: 'BA==' },
    })
    const { json } = await ask('GET', '/chain/blocks/10')
    expect(json).toMatchObject({ header: { number: '10' }, data: { data: expect.any(Array) } })
    expect(await ask('GET', `/transactions/${transaction.txId}`)).toMatchObject({
      status: 200,
      json: { txid: transaction.txId, blockNumber: 10, validationCode: 'VALID', transactionEnvelope: { payload: expect.any(Object) } },
    })
    expect(await ask('GET', '/network/peers')).toEqual({
      status: 200,
      json: { peers: [{ ID: { name: 'Org1MSP' }, address: 'peer0:7051' }] },
    })
    for (let number = 0; number < GOLDEN_HEIGHT; number++) expect((await ask('GET', `/chain/blocks/${number}`)).status).toBe(200)
  })

  it('says what is not there, or not asked well', async () => {
    expect(await ask('GET', '/chain?channel=other')).toEqual({ status: 404, json: { Error: 'Channel other is not found.' } })
    expect(await ask('GET', '/chain/blocks/x')).toEqual({ status: 400, json: { Error: 'Block id must be an integer (uint64).' } })
    expect(await ask('GET', '/chain/blocks/1000')).toEqual({ status: 404, json: { Error: 'ledger: resource not found' } })
    expect(await ask('GET', '/transactions/none')).toEqual({ status: 404, json: { Error: 'Transaction none is not found.' } })
    expect((await ask('POST', '/chain')).status).toBe(405)
    expect((await ask('GET', '/chaincode')).status).toBe(405)
  })

  const spec = { type: 1, chaincodeID: { name: 'assets' }, ctorMsg: { function: 'read', args: ['a'] } }

  it('runs chaincode by JSON-RPC', async () => {
    expect(await ask('POST', '/chaincode', { jsonrpc: '2.0', method: 'query', params: spec, id: 5 })).toEqual({
      status: 200,
      json: { jsonrpc: '2.0', result: { status: 'OK', message: 'seven' }, id: 5 },
    })
    expect(calls).toEqual([`${CHANNEL} assets reada`])
    expect(
      await ask('POST', '/chaincode', { jsonrpc: '2.0', method: 'invoke', params: { ...spec, ctorMsg: { args: ['f'] } }, id: 'x' }),
    ).toEqual({
      status: 200,
      json: { jsonrpc: '2.0', result: { status: 'OK', message: 'a-transaction' }, id: 'x' },
    })
    // A notification.
    expect(await ask('POST', '/chaincode', { jsonrpc: '2.0', method: 'query', params: spec })).toEqual({ status: 200, json: undefined })
    expect(await ask('POST', '/chaincode', { jsonrpc: '1.0' })).toEqual({ status: 200, json: undefined })
    const broken = { ...spec, chaincodeID: { name: 'broken' } }
    expect((await ask('POST', '/chaincode', { jsonrpc: '2.0', method: 'query', params: broken, id: 1 })).json).toMatchObject({
      error: { code: -32003, message: 'Query failure', data: 'Error when querying chaincode: it broke' },
    })
  })

  it.each<[unknown, number, number]>([
    ['', 400, -32700],
    ['{', 400, -32700],
    ['[]', 400, -32700],
    [{ id: 1 }, 400, -32600],
    [{ jsonrpc: '2.0', id: 1 }, 400, -32600],
    [{ jsonrpc: '2.0', method: 'deploy', params: spec, id: 1 }, 404, -32601],
    [{ jsonrpc: '2.0', method: 'query', id: 1 }, 200, -32602],
    [{ jsonrpc: '2.0', method: 'query', params: {}, id: 1 }, 200, -32602],
    [{ jsonrpc: '2.0', method: 'query', params: { chaincodeID: { name: '' } }, id: 1 }, 200, -32602],
    [{ jsonrpc: '2.0', method: 'query', params: { ...spec, ctorMsg: { args: [] } }, id: 1 }, 200, -32602],
    [{ jsonrpc: '2.0', method: 'query', params: { ...spec, ctorMsg: { args: [7] } }, id: 1 }, 200, -32602],
  ])('refuses %j', async (body, status, code) => {
    expect(await ask('POST', '/chaincode', body)).toMatchObject({ status, json: { error: { code } } })
  })
})
