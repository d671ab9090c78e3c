// The unmodified gateway client, against a server in a process of its own.
//   fabric-client.ts network|bare evaluate|submit <ms>    calls, of 16 at once, per CPU-second of the server
//   fabric-client.ts network streams <count>               how many clients, each with a connection of its own, heard of a block
import { type ChildProcess, fork } from 'node:child_process'
import { createPrivateKey, type KeyObject, sign } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Client, credentials } from '@grpc/grpc-js'
import { type Contract, connect, type Gateway, hash } from '@hyperledger/fabric-gateway'

/** Calls at once. */
const AT_ONCE = 16

/** Calls before those that are measured: a server that has served fewer is still being compiled, and by time the slower would have served the fewest. */
const WARM_CALLS = 2000

/** Connections that are being made at once, and how long one may take. */
const CONNECTING_MAX = 25
const CONNECT_MS = 30_000

const SETTLE_MS = 2000

interface Access {
  readonly endpoint: string
  readonly tlsRoot: string
  readonly mspId: string
  readonly certificate: string
  readonly privateKey: string
}

const [server = '', what = '', amount = ''] = process.argv.slice(2)
const child = fork(fileURLToPath(new URL('./fabric-server.ts', import.meta.url)), [server], {
  stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
})
const [access] = (await once(child, 'message')) as [Access]
console.log(what === 'streams' ? await streams(Number(amount)) : await rate(what, Number(amount)))
child.disconnect()
process.exit()

async function rate(kind: string, durationMs: number): Promise<number> {
  const contract = contractOf(gatewayOf())
  let calls = 0
  const once = async (): Promise<void> => {
    const id = `asset${calls++}`
    if (kind === 'evaluate') await contract.evaluateTransaction('read', 'car')
    else await contract.submitTransaction('write', id, 'alice')
  }
  /** @returns How many were made. */
  const run = async (isEnough: () => boolean): Promise<number> => {
    const before = calls
    const worker = async (): Promise<void> => {
      while (!isEnough()) await once()
    }
    await Promise.all(Array.from({ length: AT_ONCE }, worker))
    return calls - before
  }
  await run(() => calls >= WARM_CALLS)
  const before = await cpuOf(child)
  const end = performance.now() + durationMs
  const done = await run(() => performance.now() >= end)
  return done / ((await cpuOf(child)) - before)
}

async function streams(count: number): Promise<number> {
  const open: Promise<number>[] = []
  while (open.length < count) {
    // A thousand handshakes at once would be a test of patience with TLS.
    const some = Array.from({ length: Math.min(CONNECTING_MAX, count - open.length) }, connected)
    for (const gateway of await Promise.all(some)) {
      const events = await gateway.getNetwork('mychannel').getFilteredBlockEvents()
      const first = events[Symbol.asyncIterator]().next()
      open.push(
        first.then(
          ({ done }) => (done === true ? 0 : 1),
          () => 0,
        ),
      )
    }
  }
  // A stream begins with the next block: the server is to have read each request before there is one.
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
  await contractOf(gatewayOf()).submitTransaction('write', 'car', 'alice')
  return (await Promise.all(open)).reduce((sum, each) => sum + each, 0)
}

/** A gateway whose connection is there. */
async function connected(): Promise<Gateway> {
  const client = clientOf()
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  client.waitForReady(Date.now() + CONNECT_MS, (error) => (error === undefined ? resolve() : reject(error)))
  await promise
  return gatewayOf(client)
}

function clientOf(): Client {
  return new Client(access.endpoint, credentials.createSsl(Buffer.from(access.tlsRoot)), { 'grpc.use_local_subchannel_pool': 1 })
}

function gatewayOf(client = clientOf()): Gateway {
  const key = createPrivateKey(access.privateKey)
  return connect({
    client,
    identity: { mspId: access.mspId, credentials: Buffer.from(access.certificate) },
    hash: hash.none,
    signer: async (message) => signLowS(message, key),
  })
}

function contractOf(gateway: Gateway): Contract {
  return gateway.getNetwork('mychannel').getContract('assets')
}

/** By the system's cryptography, since the client's own is slow: again where s is high, of which Fabric takes none. */
function signLowS(message: Uint8Array, key: KeyObject): Uint8Array {
  for (;;) {
    const signature = sign('sha256', message, key)
    const lengthOfR = signature[3] ?? 0
    // A number of 33 bytes begins with a zero, because it is above half of the order.
    if ((signature[5 + lengthOfR] ?? 0) <= 32) return signature
  }
}

async function cpuOf(process: ChildProcess): Promise<number> {
  process.send('cpu')
  const [seconds] = (await once(process, 'message')) as [number]
  return seconds
}
