// One orderer over NATS JetStream, as a process that can be killed: `-folder PATH -listen HOST:PORT -nats HOST:PORT,…`.
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { GrpcListener } from '@kumiko/fabric-grpc'
import { loadLocalMsp } from '@kumiko/fabric-msp'
import { natsJetStream, orderer, ordererServices } from '@kumiko/fabric-orderer'
import { readBlock } from '@kumiko/fabric-protocol'
import { GOLDEN, goldenFile } from '@kumiko/golden-channel'
import { isFault } from '@kumiko/interface'
import { event, flags, serve } from '../child-lines.ts'

const CRYPTO = 'crypto/ordererOrganizations/example.com/orderers/orderer.example.com/msp'

const { values } = parseArgs({
  args: flags(),
  options: { folder: { type: 'string', default: '' }, listen: { type: 'string', default: '' }, nats: { type: 'string', default: '' } },
})
const node = orderer({
  folder: values.folder,
  signer: await loadLocalMsp(join(GOLDEN, CRYPTO), { mspId: 'OrdererMSP' }),
  consenter: natsJetStream({ servers: values.nats.split(',') }),
})
await node.start()
const genesis = readBlock(goldenFile('mychannel.block'))
if (isFault(genesis)) throw new Error(genesis.detail)
if (node.channels().length === 0) await node.join(genesis)
const channel = node.channel('mychannel')
const listener = new GrpcListener({ listen: values.listen })
listener.add(...ordererServices(node))
await listener.start()

let transactions = 0
void (async () => {
  for await (const { data } of channel?.blocks(1n) ?? []) transactions += data.length
})().catch(() => undefined) // it halts: `failure` says why

serve<{ readonly id: number; readonly cmd: string }>(async ({ cmd }) => {
  if (cmd === 'quit') {
    await listener.stop()
    await node.stop()
  }
  return {
    height: Number(channel?.height),
    transactions,
    failure: channel?.errored.aborted === true ? String(channel.errored.reason) : null,
  }
})
event('listening', { address: listener.address })
