import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Endorser, endorser } from '@kumiko/fabric-endorser'
import { GrpcListener } from '@kumiko/fabric-grpc'
import { TransientStore } from '@kumiko/fabric-ledger'
import { toHex } from '@kumiko/fabric-protocol'
import { virtualClock } from '@kumiko/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { chaincodeServices } from '../src/connectors/chaincode-service.ts'
import { chaincodeSupport } from '../src/connectors/chaincode-support.ts'
import { inProcessChaincode } from '../src/connectors/in-process.ts'
import type { StreamingChaincodeRuntime } from '../src/runtime/chaincode-runtime.ts'
import { CHANNEL_ID, goldenAccess, goldenUser } from './golden-ledger.ts'
import { contracts, PACKAGE_IDS, testChannel, testRuntime } from './peer.ts'
import { PROPOSALS } from './proposals.ts'
import { ShimProcess } from './shim-process.ts'
import { endorse, signedProposalFor, type TestChannel, type TestProposal, type TestResult } from './transactions.ts'

const stack = new AsyncDisposableStack()
let channel: TestChannel
let inProcess: StreamingChaincodeRuntime
let dialed: StreamingChaincodeRuntime
let dialing: StreamingChaincodeRuntime
let endorsers: readonly Endorser[]
let endorsed = 0

beforeAll(async () => {
  channel = stack.use(await testChannel())
  const about = { contracts, mspId: 'Org1MSP', title: 'test-contract', version: '1.2.3' }
  inProcess = await testRuntime(channel, {
    connectors: Object.values(PACKAGE_IDS).map((packageId) => inProcessChaincode({ ...about, packageId })),
  })

  dialed = await testRuntime(channel, { acceptsUnlaunched: true })
  const listener = new GrpcListener({ listen: '127.0.0.1:0' }).add(...chaincodeSupport(dialed))
  await listener.start()
  stack.defer(() => listener.stop(0))
  const processes = Object.values(PACKAGE_IDS).map((packageId) => stack.use(ShimProcess.dial(listener.address, packageId)))
  await Promise.all(processes.map((process) => process.line(/transferred to "ready"/)))

  const servers = new Map<string, string>()
  for (const packageId of Object.values(PACKAGE_IDS)) {
    const { process, address } = await ShimProcess.serve(packageId)
    stack.use(process)
    servers.set(packageId, address)
  }
  const serverOf = async (packageId: string) => {
    const address = servers.get(packageId)
    return address === undefined ? undefined : { endpoint: { address } }
  }
  dialing = await testRuntime(channel, { connectors: [chaincodeServices(serverOf)] })
  endorsers = await endorsersOf([inProcess, dialed, dialing])
  stack.defer(() => {
    for (const runtime of [inProcess, dialed, dialing]) runtime.stop()
  })
})
afterAll(() => stack.disposeAsync())

describe('the same contract gives the same answer, event, reads and writes in this process, when it dials, and when it is dialed', () => {
  it.each(Object.entries(PROPOSALS))('%s', async (_, proposal) => {
    const here = await outcome(inProcess, proposal)
    expect(await outcome(dialed, proposal)).toEqual(here)
    expect(await outcome(dialing, proposal)).toEqual(here)
  })
})

it.each(Object.entries(PROPOSALS))('of "%s" a peer endorses the same bytes, whichever way the chaincode runs', async (_, proposal) => {
  const { signedProposal } = signedProposalFor(channel, proposal)
  const answers = await Promise.all(
    endorsers.map(async ({ processProposal }) => {
      const { payload, response } = await processProposal(signedProposal)
      return { payload: toHex(payload), status: response?.status, message: response?.message }
    }),
  )
  const [here, ...others] = answers
  for (const other of others) expect(other).toEqual(here)
  if (here?.payload !== '') endorsed++
})

it('has mostly proposals that are endorsed', () => expect(endorsed).toBeGreaterThan(30))

it('runs transactions at once, each for itself', async () => {
  const proposals = Array.from({ length: 50 }, (_, nonce): TestProposal => ({ args: ['fill', `p${nonce}-`, '20'], nonce: nonce + 10 }))
  const [here, ...others] = await Promise.all(
    [inProcess, dialed, dialing].map((runtime) => Promise.all(proposals.map((proposal) => outcome(runtime, proposal)))),
  )
  expect(new Set(here?.map((each) => (typeof each === 'string' ? each : each.results))).size).toBe(50)
  for (const other of others) expect(other).toEqual(here)
})

async function outcome(runtime: StreamingChaincodeRuntime, proposal: TestProposal): Promise<TestResult | string> {
  return await endorse(runtime, channel, proposal).catch((error: Error) => error.message)
}

/** Peers that differ in how they run chaincode alone. */
async function endorsersOf(runtimes: readonly StreamingChaincodeRuntime[]): Promise<readonly Endorser[]> {
  const folder = await mkdtemp(join(tmpdir(), 'kumiko-directions-'))
  stack.defer(() => rm(folder, { recursive: true }))
  const transient = await TransientStore.open(folder)
  stack.defer(() => transient.close())
  const access = await goldenAccess(channel.bundle)
  const signer = await goldenUser('Admin')
  const here = { ...channel, channelId: CHANNEL_ID, height: 20n, transient }
  return runtimes.map((runtime) =>
    endorser({
      signer,
      localMsp: signer.msp,
      channel: (channelId) => (channelId === CHANNEL_ID ? here : undefined),
      runtime,
      access,
      clock: virtualClock(1_790_000_000_000),
    }),
  )
}
