import { createRequire } from 'node:module'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type ContractClass, inProcessChaincode } from '../src/connectors/in-process.ts'
import { chaincodeRuntime } from '../src/runtime/chaincode-runtime.ts'
import { goldenAccess, goldenBundle, goldenLedger, goldenUser } from './golden-ledger.ts'
import { definitionsOf, endorse, type TestChannel } from './transactions.ts'

const { contracts } = createRequire(import.meta.url)('./contract') as { contracts: ContractClass[] }

let channel: TestChannel
let close: () => PromiseLike<void>

beforeAll(async () => {
  const ledger = await goldenLedger(20)
  close = () => ledger[Symbol.asyncDispose]()
  channel = { ledger, bundle: goldenBundle(), client: await goldenUser('User1') }
})
afterAll(() => close())

async function runtimeWith(code = contracts) {
  const { ledger, bundle } = channel
  return chaincodeRuntime({
    definitions: definitionsOf({ golden: 'golden:1' }),
    channel: (channelId) => (channelId === 'mychannel' ? { bundle, ledger } : undefined),
    accessControl: await goldenAccess(bundle),
    connectors: [inProcessChaincode({ packageId: 'golden:1', contracts: code, mspId: 'Org1MSP' })],
  })
}

it('runs a contract', async () => {
  const runtime = await runtimeWith()
  for (const args of [
    ['create', 'a', '1'],
    ['fill', 'k', '5'],
    ['range', '', '', '3'],
    ['page', '', '', '2', ''],
    ['putPrivate', 'secret', 'a'],
    ['protect', 'a', 'p'],
    ['history', 'a'],
    ['event', 'e', 'p'],
    ['who'],
    ['query', '{}'],
    ['queryPage', '{}'],
    ['purgePrivate', 'secret', 's1'],
    ['rangePrivate', 'secret'],
    ['hashPrivate', 'nope', 's1'],
    ['readPrivate', 'nope', 's1'],
    ['pageAndWrite'],
    ['writeAndPage'],
    ['rangePrivateAndWrite', 'secret'],
    ['nope'],
    ['leave'],
    ['read', 'zz'],
    ['many', '30'],
    ['composite', 'red'],
    ['call', 'golden', '["read","a"]', ''],
    ['call', 'other', '["read","a"]', ''],
    ['call', 'golden', '["read","a"]', 'other'],
    ['protectPrivate', 'secret', 's1', 'pol'],
  ]) {
    console.log(args, await endorse(runtime, channel, { args, transient: { value: 'v' } }).catch((error: Error) => error.message))
  }
  expect(1).toBe(1)
})
