import { type Block, BlockMetadataIndex, blockHash, dataHash, isConfigBlock, withMetadata } from '@kumiko/fabric-protocol'
import { must } from '@kumiko/testkit'
import { Authority } from '@kumiko/testkit/fabric'
import { beforeAll, describe, expect, it } from 'vitest'
import { Network, text } from '../test/network.ts'
import { type CommitterBundle, checkNextBlock, readGenesis } from './block-intake.ts'

let network: Network
let bundle: CommitterBundle
let block: Block

beforeAll(async () => {
  network = await Network.make(1)
  bundle = must(readGenesis(network.genesis, network.channelId))
  block = network.block(network.transaction())
})

function faultOf(changed: Block): string | undefined {
  return checkNextBlock(changed, { height: 1n, currentHash: blockHash(network.genesis.header) }, bundle)?.fault
}

/** The block with other transactions, to which header and signature match. */
function holding(...data: readonly Uint8Array[]): Block {
  return network.sign({ ...block, data, header: { ...block.header, dataHash: dataHash(data) } })
}

describe('checkNextBlock', () => {
  it('takes the next block', () => {
    expect(faultOf(block)).toBeUndefined()
  })

  it('names what is wrong', async () => {
    const { header } = block
    const other = network.transaction({ channelId: 'other' })
    const [data] = block.data
    const stranger = await (await Authority.found('OrdererMSP')).member('orderer')
    expect({
      number: faultOf(network.sign({ ...block, header: { ...header, number: 2n } })),
      previous: faultOf(network.sign({ ...block, header: { ...header, previousHash: new Uint8Array(32) } })),
      data: faultOf({ ...block, data: [...block.data, ...block.data] }),
      empty: faultOf(holding()),
      envelope: faultOf(holding(Uint8Array.of(0xff))),
      channel: faultOf(holding(other)),
      form: faultOf(holding(must(data), Uint8Array.of(...must(data), 0x0a, 0x00))),
      unsigned: faultOf(withMetadata(block, BlockMetadataIndex.signatures, new Uint8Array())),
      unreadable: faultOf(withMetadata(block, BlockMetadataIndex.signatures, Uint8Array.of(0xff))),
      client: faultOf(network.sign(block, network.client)),
      stranger: faultOf(network.sign(block, stranger)),
      forged: faultOf(network.sign(block, { ...network.orderer, creator: network.orderer.creator, sign: () => text('signature') })),
    }).toEqual({
      number: 'fabric-protocol/bad-block-number',
      previous: 'fabric-protocol/bad-previous-hash',
      data: 'fabric-protocol/bad-data-hash',
      empty: 'fabric-protocol/empty-block',
      envelope: 'fabric-protocol/bad-envelope',
      channel: 'fabric-committer/other-channel',
      form: 'fabric-protocol/bad-form',
      unsigned: 'fabric-msp/policy-not-satisfied',
      unreadable: 'fabric-protocol/bad-block-metadata',
      client: 'fabric-msp/policy-not-satisfied',
      stranger: 'fabric-msp/policy-not-satisfied',
      forged: 'fabric-msp/policy-not-satisfied',
    })
  })
})

it('reads nothing of transactions that the orderers did not sign, nor signatures without end', () => {
  const pairs = new Uint8Array(2_200_000).map((_, at) => (at % 2 === 0 ? 0x12 : 0))
  const unsigned = withMetadata(holding(Uint8Array.of(0xff)), BlockMetadataIndex.signatures, new Uint8Array())
  expect(faultOf(unsigned)).toBe('fabric-msp/policy-not-satisfied')
  const excess = checkNextBlock(
    withMetadata(block, BlockMetadataIndex.signatures, pairs),
    { height: 1n, currentHash: blockHash(network.genesis.header) },
    bundle,
  )
  expect(excess?.detail).toContain('more than 1000000 fields')
})

describe('readGenesis', () => {
  it('names what is wrong', () => {
    const { genesis } = network
    expect({
      channel: readGenesis(genesis, 'other'),
      number: readGenesis(block, network.channelId),
      data: readGenesis({ ...genesis, data: block.data }, network.channelId),
      transaction: readGenesis(
        { ...genesis, data: block.data, header: { ...genesis.header, dataHash: dataHash(block.data) } },
        network.channelId,
      ),
    }).toMatchObject({
      channel: { fault: 'fabric-committer/other-channel' },
      number: { fault: 'fabric-protocol/bad-block-number' },
      data: { fault: 'fabric-protocol/bad-data-hash' },
      transaction: { fault: 'fabric-msp/bad-config' },
    })
  })
})

it('tells blocks that configure a channel', () => {
  expect([isConfigBlock(network.genesis), isConfigBlock(block), isConfigBlock({ ...block, data: [] })]).toEqual([true, false, false])
})
