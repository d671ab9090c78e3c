import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { status } from '@grpc/grpc-js'
import { devnet } from '@kumiko/fabric-devnet'
import { afterEach, expect, it } from 'vitest'
import { evaluated, failureOf, networkOf, saidBy, submitted } from './network.ts'

const CLI = join(dirname(createRequire(import.meta.url).resolve('fabric-shim/package.json')), 'cli.js')

const children: ChildProcess[] = []

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null) continue
    const closed = once(child, 'close')
    child.kill('SIGKILL')
    await closed
  }
})

/** Starts chaincode that dials a peer, as a developer does, and waits until it is there. */
async function start(peerAddress: string): Promise<void> {
  const args = ['start', '--peer.address', peerAddress, '--chaincode-id-name', 'crashing:1.0']
  const env = { PATH: process.env.PATH ?? '', CORE_CHAINCODE_LOGGING_LEVEL: 'DEBUG' }
  const child = spawn(process.execPath, [CLI, ...args, '--module-path', join(import.meta.dirname, 'crashing')], { env })
  children.push(child)
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  for (const output of [child.stdout, child.stderr])
    createInterface(output).on('line', (line) => /transferred to "ready"/.test(line) && resolve())
  child.once('close', (code) => reject(new Error(`it ended with ${code}`)))
  await promise
}

it('Evaluate crash chaincode, in development mode, where nothing is installed', async () => {
  await using net = await devnet({ peersPerOrg: 2, contracts: { crashing: { dialsIn: true } } })
  const addresses = net.peers.map((peer) => net.chaincodeAddress(peer) ?? '')
  await Promise.all(addresses.map(start))
  const contract = (await networkOf(net)).getContract('crashing')
  expect(await submitted(contract, 'echo', 'conga')).toBe('conga')

  const failure = await failureOf(contract.evaluateTransaction('crash'))
  expect(failure.code).toBe(status.ABORTED)
  expect(failure.message).toContain('failed to evaluate transaction, see attached details for more info')
  const said = saidBy(net, ['Org1MSP'], () => expect.stringContaining('chaincode stream terminated'))
  expect(failure.details).toEqual(said)

  // A developer starts it again.
  await Promise.all(addresses.map(start))
  expect(await evaluated(contract, 'echo', 'again')).toBe('again')
})
