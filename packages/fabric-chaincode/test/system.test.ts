import type { Block } from '@kumiko/fabric-protocol'
import {
  BlockchainInfo,
  ChannelQueryResponse,
  Config,
  JoinBySnapshotStatus,
  ProcessedTransactionMessage,
  readEnvelope,
  toHex,
} from '@kumiko/fabric-protocol'
import { GOLDEN_HEIGHT, goldenBlocks, goldenFile, goldenJson, peerBlock } from '@kumiko/golden-channel'
import { KumikoError } from '@kumiko/interface'
import { must } from '@kumiko/testkit'
import { describe, expect, it } from 'vitest'
import type { SystemChaincode } from '../src/contract.ts'
import { configurationChaincode } from '../src/system/configuration-chaincode.ts'
import { legacyChaincode } from '../src/system/legacy-chaincode.ts'
import { queryChaincode } from '../src/system/query-chaincode.ts'
import { CHANNEL_ID, contextOf, goldenAccess, goldenBlock, goldenBundle, goldenLedger, goldenUser } from './golden-ledger.ts'

const bundle = goldenBundle()
const access = await goldenAccess(bundle)
const members = { Admin: await goldenUser('Admin'), User1: await goldenUser('User1') }

async function invoke(
  chaincode: SystemChaincode,
  args: readonly (string | Uint8Array)[],
  as: keyof typeof members = 'User1',
  asked = chaincode.name,
) {
  const bytes = args.map((arg) => (typeof arg === 'string' ? new TextEncoder().encode(arg) : arg))
  const context = contextOf(members[as], { chaincode: asked, args: bytes })
  return await chaincode.invoke(context, { args: bytes, decorations: new Map(), isInit: false })
}

function payloadOf({ status, message, payload }: Awaited<ReturnType<typeof invoke>>): Uint8Array {
  expect({ status, message }).toEqual({ status: 200, message: '' })
  return payload
}

describe('qscc', () => {
  it('tells of the golden channel what the real peer told, and gives its blocks as they were', async () => {
    await using ledger = await goldenLedger(GOLDEN_HEIGHT)
    const qscc = queryChaincode({ access, channel: (channelId) => (channelId === CHANNEL_ID ? { ledger } : undefined) })
    const { channelInfo } = goldenJson('expected.json') as { readonly channelInfo: Readonly<Record<string, string | number>> }
    const info = must(BlockchainInfo.decode(payloadOf(await invoke(qscc, ['GetChainInfo', CHANNEL_ID]))))
    expect({
      height: Number(info.height),
      currentBlockHash: Buffer.from(info.currentBlockHash).toString('base64'),
      previousBlockHash: Buffer.from(info.previousBlockHash).toString('base64'),
    }).toEqual(channelInfo)
    for (const number of [0, 5, 53]) {
      expect(toHex(payloadOf(await invoke(qscc, ['GetBlockByNumber', CHANNEL_ID, String(number)])))).toBe(toHex(peerBlock(number)))
    }
    const last = payloadOf(await invoke(qscc, ['GetBlockByNumber', CHANNEL_ID, String(2n ** 64n - 1n)]))
    expect(toHex(last)).toBe(toHex(peerBlock(53)))
    const hash = new Uint8Array(Buffer.from(must(goldenBlocks()[7]).headerHash, 'hex'))
    expect(toHex(payloadOf(await invoke(qscc, ['GetBlockByHash', CHANNEL_ID, hash])))).toBe(toHex(peerBlock(7)))
    const { txId } = must(must(goldenBlocks()[5]).txs[0])
    expect(toHex(payloadOf(await invoke(qscc, ['GetBlockByTxID', CHANNEL_ID, txId])))).toBe(toHex(peerBlock(5)))
    expect(ProcessedTransactionMessage.decode(payloadOf(await invoke(qscc, ['GetTransactionByID', CHANNEL_ID, txId])))).toEqual({
      transactionEnvelope: readEnvelope(must(goldenBlock(5).data[0])),
      validationCode: 0,
    })
  })

  it('refuses in Fabric’s words', async () => {
    await using ledger = await goldenLedger(2)
    const qscc = queryChaincode({ access, channel: (channelId) => (channelId === CHANNEL_ID ? { ledger } : undefined) })
    const refusal = async (...args: (string | Uint8Array)[]) => (await invoke(qscc, args)).message
    expect(await refusal('GetChainInfo')).toBe('Incorrect number of arguments, 1')
    expect(await refusal('GetChainInfo', 'other')).toBe('Invalid chain ID, other')
    expect(await refusal('GetBlockByNumber', CHANNEL_ID)).toBe('missing 3rd argument for GetBlockByNumber')
    expect(await refusal('GetBlockByNumber', CHANNEL_ID, '-1')).toBe(
      'Failed to parse block number with error strconv.ParseUint: parsing "-1": invalid syntax',
    )
    expect(await refusal('GetBlockByNumber', CHANNEL_ID, '9'.repeat(30))).toMatch(/value out of range$/)
    expect(await refusal('GetBlockByNumber', CHANNEL_ID, '7')).toBe('Failed to get block number 7, error no such block number [7] in index')
    expect(await refusal('GetBlockByHash', CHANNEL_ID, Uint8Array.of(1))).toMatch(/error no such block hash \[01\] in index$/)
    expect(await refusal('GetBlockByTxID', CHANNEL_ID, 'x')).toBe(
      'Failed to get block for txID x, error no such transaction ID [x] in index',
    )
    expect(await refusal('GetTransactionByID', CHANNEL_ID, 'x')).toBe(
      'Failed to get transaction with id x, error no such transaction ID [x] in index',
    )
    expect(await refusal('Foo', CHANNEL_ID, 'x')).toMatch(/^access denied for \[Foo\]\[mychannel\]: \[/)
    const called = await invoke(qscc, ['GetChainInfo', CHANNEL_ID], 'User1', 'golden')
    expect(called.message).toBe(
      "Rejecting invoke of QSCC from another chaincode because of potential for deadlocks, original invocation for 'golden'",
    )
  })
})

describe('cscc', () => {
  it('tells of channels', async () => {
    await using ledger = await goldenLedger(3)
    const cscc = configurationChaincode({ access, peer: peerOf({ channel: (id) => (id === CHANNEL_ID ? { bundle, ledger } : undefined) }) })
    expect(ChannelQueryResponse.decode(payloadOf(await invoke(cscc, ['GetChannels'])))).toEqual({ channels: [{ channelId: CHANNEL_ID }] })
    expect(toHex(payloadOf(await invoke(cscc, ['GetConfigBlock', CHANNEL_ID])))).toBe(toHex(peerBlock(0)))
    expect(must(Config.decode(payloadOf(await invoke(cscc, ['GetChannelConfig', CHANNEL_ID])))).sequence).toBe(bundle.config.sequence)
    expect(JoinBySnapshotStatus.decode(payloadOf(await invoke(cscc, ['JoinBySnapshotStatus'], 'Admin')))).toEqual({
      inProgress: true,
      bootstrappingSnapshotDir: '/snapshots/7',
    })
    expect((await invoke(cscc, ['GetConfigBlock', 'other'])).message).toMatch(/^access denied for \[GetConfigBlock\]\[other\]: /)
  })

  it('joins a channel by its first block, for administrators alone', async () => {
    const joined: Block[] = []
    const cscc = configurationChaincode({ access, peer: peerOf({ join: async (genesis) => void joined.push(genesis) }) })
    const genesis = goldenFile('mychannel.block')
    expect((await invoke(cscc, ['JoinChain', genesis])).message).toMatch(/^access denied for \[JoinChain\]\[mychannel\]: \[/)
    expect(joined).toEqual([])
    expect(payloadOf(await invoke(cscc, ['JoinChain', genesis], 'Admin'))).toEqual(new Uint8Array())
    expect(joined.map(({ header }) => header.number)).toEqual([0n])
  })

  it('refuses what begins no channel, or what the peer is on', async () => {
    const peer = peerOf({
      join: async () => {
        throw new KumikoError('fabric-peer/already-joined', 'the peer is on it')
      },
    })
    const cscc = configurationChaincode({ access, peer })
    const refusal = async (...args: (string | Uint8Array)[]) => (await invoke(cscc, args, 'Admin')).message
    expect(await refusal('JoinChain')).toBe('Incorrect number of arguments, 1')
    expect(await refusal('JoinChain', Uint8Array.of(0xff))).toMatch(/^Failed to reconstruct the genesis block, /)
    expect(await refusal('JoinChain', peerBlock(3))).toMatch(
      /^"JoinChain" for channelID = mychannel failed because of validation of configuration block, because of Bad configuration envelope: /,
    )
    expect(await refusal('JoinChain', goldenFile('mychannel.block'))).toBe(
      'cannot create ledger from genesis block: ledger [mychannel] already exists with state [ACTIVE]',
    )
    expect(await refusal('JoinChainBySnapshot', '')).toBe('Cannot join the channel, no snapshot directory provided')
    expect(await refusal('Foo', 'x')).toBe('Requested function Foo not found.')
    expect((await invoke(cscc, ['GetChannels'], 'Admin', 'golden')).message).toBe(
      "Rejecting invoke of CSCC from another chaincode, original invocation for 'golden'",
    )
  })
})

describe('lscc', () => {
  it('says what to use', async () => {
    expect(await invoke(legacyChaincode(), ['install'])).toMatchObject({ status: 500, message: expect.stringContaining('_lifecycle') })
  })
})

type Peer = Parameters<typeof configurationChaincode>[0]['peer']

function peerOf(changes: Partial<Peer>): Peer {
  return {
    channel: () => undefined,
    channels: () => [CHANNEL_ID],
    join: async () => {},
    joinBySnapshot: async () => {},
    joiningSnapshot: () => '/snapshots/7',
    ...changes,
  }
}
