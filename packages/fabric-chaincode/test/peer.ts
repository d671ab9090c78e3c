import { createRequire } from 'node:module'
import type { Response } from '@kumiko/fabric-protocol'
import type { ContractClass } from '../src/connectors/in-process.ts'
import type { SystemChaincode } from '../src/contract.ts'
import { type ChaincodeRuntimeOptions, chaincodeRuntime, type StreamingChaincodeRuntime } from '../src/runtime/chaincode-runtime.ts'
import { goldenAccess, goldenBundle, goldenLedger, goldenUser } from './golden-ledger.ts'
import { definitionsOf, type TestChannel } from './transactions.ts'

/** The test contract, as Node loads it elsewhere. */
export const { contracts } = createRequire(import.meta.url)('./contract') as { readonly contracts: readonly ContractClass[] }

/** What the chaincodes run as. */
export const PACKAGE_IDS = { golden: 'golden:1.0', second: 'second:1.0' }

/** A channel with some blocks, which goes when it is disposed of. */
export async function testChannel(): Promise<TestChannel & AsyncDisposable> {
  const ledger = await goldenLedger(20)
  const client = await goldenUser('User1')
  return { ledger, bundle: goldenBundle(), client, [Symbol.asyncDispose]: () => Promise.resolve(ledger[Symbol.asyncDispose]()) }
}

/** A runtime on the channel, and on another one that is the same but for its name. */
export async function testRuntime(
  { ledger, bundle }: TestChannel,
  options: Partial<ChaincodeRuntimeOptions> = {},
): Promise<StreamingChaincodeRuntime> {
  const access = await goldenAccess(bundle)
  return chaincodeRuntime({
    definitions: definitionsOf(PACKAGE_IDS),
    system: [echo],
    channel: (channelId) => (['mychannel', 'elsewhere'].includes(channelId) ? { bundle, ledger } : undefined),
    accessControl: {
      check: (resource, channelId, signed) => access.check(resource, channelId === 'elsewhere' ? 'mychannel' : channelId, signed),
    },
    ...options,
  })
}

/** Answers with what it was asked. */
const echo: SystemChaincode = {
  name: 'qscc',
  invoke: async ({ channelId }, { args }): Promise<Response> => {
    const payload = new TextEncoder().encode(`${channelId}: ${args.map((arg) => new TextDecoder().decode(arg)).join(' ')}`)
    return { status: 200, message: '', payload }
  },
}
