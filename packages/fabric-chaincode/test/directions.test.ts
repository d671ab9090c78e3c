import { GrpcListener } from '@kumiko/fabric-grpc'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { chaincodeServices } from '../src/connectors/chaincode-service.ts'
import { chaincodeSupport } from '../src/connectors/chaincode-support.ts'
import { inProcessChaincode } from '../src/connectors/in-process.ts'
import type { StreamingChaincodeRuntime } from '../src/runtime/chaincode-runtime.ts'
import { contracts, PACKAGE_IDS, testChannel, testRuntime } from './peer.ts'
import { PROPOSALS } from './proposals.ts'
import { ShimProcess } from './shim-process.ts'
import { endorse, type TestChannel, type TestProposal, type TestResult } from './transactions.ts'

const stack = new AsyncDisposableStack()
let channel: TestChannel
let inProcess: StreamingChaincodeRuntime
let dialed: StreamingChaincodeRuntime
let dialing: StreamingChaincodeRuntime

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
  stack.defer(() => {
    for (const runtime of [inProcess, dialed, dialing]) runtime.stop()
  })
}, 60_000)
afterAll(() => stack.disposeAsync())

describe('the same contract gives the same answer, event, reads and writes in this process, when it dials, and when it is dialed', () => {
  it.each(Object.entries(PROPOSALS))('%s', async (_, proposal) => {
    const here = await outcome(inProcess, proposal)
    expect(await outcome(dialed, proposal)).toEqual(here)
    expect(await outcome(dialing, proposal)).toEqual(here)
  })
})

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
