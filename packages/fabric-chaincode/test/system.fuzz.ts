import type { Ledger } from '@kumiko/fabric-ledger'
import { KumikoError } from '@kumiko/interface'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { SystemChaincode } from '../src/contract.ts'
import { ChannelChaincodes } from '../src/system/channel-chaincodes.ts'
import { configurationChaincode } from '../src/system/configuration-chaincode.ts'
import { lifecycleChaincode } from '../src/system/lifecycle-chaincode.ts'
import { queryChaincode } from '../src/system/query-chaincode.ts'
import { CHANNEL_ID, contextOf, goldenAccess, goldenBundle, goldenLedger, goldenUser, MSP_ID, simulate } from './golden-ledger.ts'

const bundle = goldenBundle()
const access = await goldenAccess(bundle)
const admin = await goldenUser('Admin')

const FUNCTIONS = [
  ...['InstallChaincode', 'QueryInstalledChaincode', 'QueryInstalledChaincodes', 'GetInstalledChaincodePackage'],
  ...['ApproveChaincodeDefinitionForMyOrg', 'QueryApprovedChaincodeDefinition', 'QueryApprovedChaincodeDefinitions'],
  ...['CheckCommitReadiness', 'CommitChaincodeDefinition', 'QueryChaincodeDefinition', 'QueryChaincodeDefinitions'],
  ...['GetChainInfo', 'GetBlockByNumber', 'GetBlockByHash', 'GetBlockByTxID', 'GetTransactionByID'],
  ...['JoinChain', 'JoinChainBySnapshot', 'JoinBySnapshotStatus', 'GetConfigBlock', 'GetChannelConfig', 'GetChannels'],
]

/** A few fields as they may be on the wire: names that mean something, numbers, and anything else. */
const field = fc.oneof(
  fc.tuple(fc.integer({ min: 1, max: 9 }), fc.oneof(fc.constantFrom('golden', 'a', '1.0', 'escc'), fc.string())).map(([number, text]) => {
    const bytes = new TextEncoder().encode(text).subarray(0, 100)
    return [number * 8 + 2, bytes.length, ...bytes]
  }),
  fc.tuple(fc.integer({ min: 1, max: 9 }), fc.nat(127)).map(([number, value]) => [number * 8, value]),
)
const message = fc.array(field, { maxLength: 6 }).map((fields) => Uint8Array.from(fields.flat()))
const argument = fc.oneof(
  message,
  fc.uint8Array({ maxLength: 200 }),
  fc.constantFrom(CHANNEL_ID, '1', '').map((text) => new TextEncoder().encode(text)),
)
const call = fc.tuple(
  fc.constantFrom(...FUNCTIONS).map((name) => new TextEncoder().encode(name)),
  fc.array(argument, { maxLength: 3 }),
)

function chaincodes(ledger: Ledger): readonly SystemChaincode[] {
  const channel = (channelId: string) => (channelId === CHANNEL_ID ? { bundle, ledger } : undefined)
  const installer = {
    list: () => [],
    load: async () => undefined,
    install: async () => {
      throw new KumikoError('fabric-chaincode/bad-package', 'no')
    },
  }
  const known = new ChannelChaincodes({ mspId: MSP_ID, channel, channels: () => [CHANNEL_ID], installed: installer })
  const peer = {
    channel,
    channels: () => [CHANNEL_ID],
    join: async () => {},
    joinBySnapshot: async () => {},
    joiningSnapshot: () => undefined,
  }
  return [
    lifecycleChaincode({ mspId: MSP_ID, channel, access, installer, chaincodes: known }),
    queryChaincode({ channel, access }),
    configurationChaincode({ peer, access }),
  ]
}

describe('system chaincodes', () => {
  it('answer whatever they are asked, with a channel or without', async () => {
    await using ledger = await goldenLedger(3)
    const all = chaincodes(ledger)
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...all), call, fc.boolean(), async (chaincode, [name, rest], isOnChannel) => {
        const args = [name, ...rest]
        const simulator = isOnChannel ? await simulate(ledger) : undefined
        const context = contextOf(admin, { chaincode: chaincode.name, args }, simulator)
        const { status, message: words } = await chaincode.invoke(context, { args, decorations: new Map(), isInit: false })
        await simulator?.close()
        expect(status === 200 || (status >= 400 && words !== '')).toBe(true)
      }),
      { numRuns: 600 },
    )
  })
})
