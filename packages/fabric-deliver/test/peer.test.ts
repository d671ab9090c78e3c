import fabric from '@hyperledger/fabric-protos'
import type { LocalMsp } from '@kumiko/fabric-msp'
import { readPrivateReadWriteSet } from '@kumiko/fabric-protocol'
import { GOLDEN_HEIGHT, goldenBlocks } from '@kumiko/golden-channel'
import { must, seeded } from '@kumiko/testkit'
import { beforeAll, describe, expect, it } from 'vitest'
import { blockVerifier } from '../src/block-verifier.ts'
import { peerDeliverClient } from '../src/deliver-client.ts'
import type { BlockWithPrivateData } from '../src/intake.ts'
import type { DeliverOptions } from '../src/options.ts'
import type { FilteredBlock } from '../src/response.ts'
import { CHANNEL, goldenBlock, goldenBundle, goldenPeerBlock, goldenUser, peerTls } from './golden.ts'
import {
  type AskedSeek,
  type DeliverCall,
  DeliverServer,
  PRIVATE,
  peerBlockResponse,
  privateResponse,
  range,
  type Serve,
} from './server.ts'

const { peer } = fabric
const LAST = GOLDEN_HEIGHT - 1

let user: LocalMsp
beforeAll(async () => {
  user = await goldenUser()
})

function optionsFor(server: DeliverServer, options: Partial<DeliverOptions> = {}): DeliverOptions {
  return {
    channelId: CHANNEL,
    endpoints: [{ address: server.address, tlsRoots: [peerTls.root] }],
    signer: user,
    retryInitialMs: 1,
    random: seeded().random,
    ...options,
  }
}

type PeerResponse = InstanceType<typeof peer.DeliverResponse>

/** Three blocks a stream. */
function servePeer(respond: (number: number) => PeerResponse): Serve {
  return (call: DeliverCall, seek: AskedSeek) => {
    const { from, to } = range(seek, GOLDEN_HEIGHT)
    for (let number = from; number <= Math.min(to, LAST, from + 2); number++) call.write(respond(number))
    call.end()
  }
}

function filteredResponse(number: number, channelId = CHANNEL): PeerResponse {
  const block = new peer.FilteredBlock()
  block.setChannelId(channelId)
  block.setNumber(number)
  for (const { txId, type, validationCode } of must(goldenBlocks()[number]).txs) {
    const transaction = new peer.FilteredTransaction()
    transaction.setTxid(txId)
    // Recorded numbers are among these.
    transaction.setType(type as 0)
    transaction.setTxValidationCode(validationCode as 0)
    const event = new peer.ChaincodeEvent()
    event.setEventName(`event of ${txId}`)
    const action = new peer.FilteredChaincodeAction()
    action.setChaincodeEvent(event)
    const actions = new peer.FilteredTransactionActions()
    actions.addChaincodeActions(action)
    transaction.setTransactionActions(actions)
    block.addFilteredTransactions(transaction)
  }
  const response = new peer.DeliverResponse()
  response.setFilteredBlock(block)
  return response
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

describe('a client of peers', () => {
  it('brings validated blocks, over TLS', async () => {
    await using server = await DeliverServer.start(servePeer(peerBlockResponse), { tls: peerTls })
    const blocks = await all(peerDeliverClient(optionsFor(server)).blocks(0n, { until: BigInt(LAST) }))
    expect(blocks).toEqual(Array.from({ length: GOLDEN_HEIGHT }, (_, number) => goldenPeerBlock(number)))
    expect(new Set(server.seeks.map(({ method }) => method))).toEqual(new Set(['peer']))
    expect(server.starts).toHaveLength(GOLDEN_HEIGHT / 3)
    expect(await peerDeliverClient(optionsFor(server)).fetch(9n)).toEqual(goldenPeerBlock(9))
  })

  it('trusts it with nothing that a verifier refuses, and does not turn to orderers', async () => {
    let lies = 0
    await using server = await DeliverServer.start(
      servePeer((number) => {
        if (number !== 5 || lies++ > 0) return peerBlockResponse(number)
        const response = peerBlockResponse(number)
        must(response.getBlock()?.getMetadata()).setMetadataList(['', '', '', '', ''])
        return response
      }),
      { tls: peerTls },
    )
    const client = peerDeliverClient(optionsFor(server, { verifier: () => blockVerifier(goldenBundle()) }))
    const blocks = await all(client.blocks(1n, { previous: goldenBlock(0).header, until: BigInt(LAST) }))
    expect(blocks.map(({ header }) => Number(header.number))).toEqual(Array.from({ length: LAST }, (_, at) => at + 1))
    expect(server.starts.slice(0, 4)).toEqual([1, 4, 5, 8])
  })

  it('brings filtered blocks', async () => {
    await using server = await DeliverServer.start(
      servePeer((number) => filteredResponse(number)),
      { tls: peerTls },
    )
    const blocks: FilteredBlock[] = await all(peerDeliverClient(optionsFor(server)).filteredBlocks(0n, { until: BigInt(LAST) }))
    const expected = goldenBlocks().map(({ number, txs }) => ({
      channelId: CHANNEL,
      number: BigInt(number),
      transactions: txs.map(({ txId, type, validationCode }) => ({
        txId,
        type,
        validationCode,
        transactionActions: {
          chaincodeActions: [{ chaincodeEvent: { chaincodeId: '', txId: '', eventName: `event of ${txId}`, payload: new Uint8Array() } }],
        },
      })),
    }))
    expect(blocks).toEqual(expected)
    expect(new Set(server.seeks.map(({ method }) => method))).toEqual(new Set(['filtered']))
  })

  it('takes filtered blocks of this channel only, and in order', async () => {
    let asked = 0
    await using server = await DeliverServer.start(
      (call, seek) => {
        asked++
        const { from } = range(seek, GOLDEN_HEIGHT)
        if (asked === 1) call.write(filteredResponse(from, 'other'))
        else if (asked === 2) call.write(filteredResponse(from + 1))
        else if (asked === 3) call.write(peerBlockResponse(from))
        else servePeer((number) => filteredResponse(number))(call, seek)
      },
      { tls: peerTls },
    )
    const faults: string[] = []
    const client = peerDeliverClient(optionsFor(server, { onBreak: ({ fault }) => faults.push(fault.fault) }))
    expect((await all(client.filteredBlocks(2n, { until: 3n }))).map(({ number }) => number)).toEqual([2n, 3n])
    expect(faults).toEqual(['fabric-deliver/other-channel', 'fabric-protocol/bad-block-number', 'fabric-deliver/unexpected-message'])
  })

  it('brings blocks with private data', async () => {
    await using server = await DeliverServer.start(
      servePeer((number) => privateResponse(number)),
      { tls: peerTls },
    )
    const client = peerDeliverClient(optionsFor(server))
    const blocks: BlockWithPrivateData[] = await all(client.blocksWithPrivateData(0n, { until: BigInt(LAST) }))
    let count = 0
    for (const [number, { block, privateData }] of blocks.entries()) {
      expect(block).toEqual(goldenPeerBlock(number))
      const expected = Object.entries(PRIVATE[number] ?? {}).map(([index, set]) => ({
        transactionNumber: Number(index),
        set: must(readPrivateReadWriteSet(new Uint8Array(Buffer.from(set, 'base64')))),
      }))
      expect(privateData).toEqual(expected)
      count += privateData.length
    }
    expect(count).toBeGreaterThan(5)
    expect(new Set(server.seeks.map(({ method }) => method))).toEqual(new Set(['private']))
  })

  it('refuses private data of no transaction, and what is no set; then goes on with the same block', async () => {
    const [set] = Object.values(must(PRIVATE[1]))
    let asked = 0
    await using server = await DeliverServer.start(
      (call, seek) => {
        asked++
        const { from } = range(seek, GOLDEN_HEIGHT)
        if (asked === 1) call.write(privateResponse(from, { 7: must({ set }).set ?? '' }))
        // A block with an entry whose set is no message.
        else if (asked === 2) call.write(Uint8Array.of(0x22, 7, 0x12, 5, 0x08, 0, 0x12, 1, 0xff))
        else servePeer((number) => privateResponse(number))(call, seek)
      },
      { tls: peerTls },
    )
    const faults: string[] = []
    const client = peerDeliverClient(optionsFor(server, { onBreak: ({ fault }) => faults.push(fault.fault) }))
    const blocks = await all(client.blocksWithPrivateData(1n, { previous: goldenBlock(0).header, until: 2n }))
    expect(blocks.map(({ block }) => block.header.number)).toEqual([1n, 2n])
    expect(faults).toEqual(['fabric-deliver/stray-private-data', expect.stringMatching(/^fabric-protocol\//)])
  })
})
