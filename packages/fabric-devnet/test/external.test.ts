import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, expect, it } from 'vitest'
import { devnet } from '../src/devnet.ts'

const CLI = join(dirname(createRequire(import.meta.url).resolve('fabric-shim/package.json')), 'cli.js')
const MODULE = join(import.meta.dirname, 'contract')
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString()

const children: { readonly child: ChildProcess; readonly closed: Promise<unknown> }[] = []

afterEach(async () => {
  for (const { child, closed } of children.splice(0)) {
    child.kill('SIGKILL')
    await closed
  }
})

/** Starts `fabric-chaincode-node`, and waits for a line of it. */
async function chaincode(args: readonly string[], awaited: RegExp): Promise<RegExpExecArray> {
  const env = { PATH: process.env.PATH ?? '', CORE_CHAINCODE_LOGGING_LEVEL: 'DEBUG' }
  const child = spawn(process.execPath, [CLI, ...args, '--module-path', MODULE], { env })
  // It may end by itself, with the network.
  children.push({ child, closed: once(child, 'close') })
  const lines: string[] = []
  const { promise, resolve, reject } = Promise.withResolvers<RegExpExecArray>()
  for (const output of [child.stdout, child.stderr]) {
    createInterface(output).on('line', (line) => {
      lines.push(line)
      const found = awaited.exec(line)
      if (found !== null) resolve(found)
    })
  }
  child.once('close', () => reject(new Error(lines.join('\n'))))
  return await promise
}

it('runs chaincode that is a service in another process', async () => {
  const [, port] = await chaincode(['server', '--chaincode-address=127.0.0.1:0', '--chaincode-id=there:1.0'], /successfully bound to (\d+)/)
  await using net = await devnet({ contracts: { there: { address: `127.0.0.1:${port}` } } })
  const there = await net.contract('there')
  await there.submitTransaction('write', 'a', 'b')
  expect(text(await there.evaluateTransaction('read', 'a'))).toBe('b')
})

it('runs chaincode that dials in from another process, and with a client that submits', async () => {
  await using net = await devnet({ contracts: { there: { dialsIn: true } } })
  const [peer = ''] = net.peers
  const there = await net.contract('there')
  await expect(there.submitTransaction('write', 'a', 'b')).rejects.toThrow()
  const address = net.chaincodeAddress(peer) ?? ''
  await chaincode(['start', '--peer.address', address, '--chaincode-id-name', 'there:1.0'], /transferred to "ready"/)
  await there.submitTransaction('write', 'a', 'b')
  expect(text(await there.evaluateTransaction('read', 'a'))).toBe('b')
})
