// Our discovery, both ends in this process over loopback UDP: `ping-v4 MS`, `raw-ping-v4 MS`, `ping-v5 MS`, `sessions MS`, `memory COUNT`.
import { type Discv4, discv4 } from '@kumiko/discv4'
import { type Discv5, type Discv5Components, discv5 } from '@kumiko/discv5'
import { createIdentity, curve, randomBytes } from '@kumiko/identity'
import type { Identity } from '@kumiko/interface'
import { udpSocket } from '@kumiko/udp'
import { defaultLogger } from '@libp2p/logger'
import { TypedEventEmitter } from 'main-event'
import { heapBytes, preparedRatePerCpuSecond, ratePerCpuSecond, withoutCompiling } from '../measure.ts'

interface Node<T> {
  readonly identity: Identity
  readonly part: T
}

const BATCH = 16
const HOSTS = ['127.0.0.1']
const logger = defaultLogger()

async function startV4(): Promise<Node<Discv4>> {
  const identity = await createIdentity()
  const part = discv4({ udp: udpSocket({ port: 0, hosts: HOSTS }) })({ logger, privateKey: identity.privateKey, identity })
  await part.start()
  return { identity, part }
}

async function startV5(): Promise<Node<Discv5>> {
  const identity = await createIdentity()
  const components: Discv5Components = {
    logger,
    identity,
    privateKey: identity.privateKey,
    events: new TypedEventEmitter(),
    transportManager: { getAddrs: () => [], listenTransportForMultiaddr: () => undefined },
  }
  const part = discv5({ udp: udpSocket({ port: 0, hosts: HOSTS }), limits: { sessions: 1 << 20, challenges: 1 << 16 } })(components)
  await part.start()
  return { identity, part }
}

/** One node pings many at the same time, as it does when it revalidates or looks something up. */
async function ping<T extends Discv4 | Discv5>(start: () => Promise<Node<T>>, ms: number): Promise<number> {
  const from = await start()
  const nodes = (await Promise.all(Array.from({ length: BATCH }, start))).map(({ identity }) => identity.record.node)
  const once = async (): Promise<number> => {
    const pongs = await Promise.all(nodes.map((node) => from.part.ping(node)))
    if (pongs.includes(undefined)) throw new Error('a ping was not answered')
    return pongs.length
  }
  await once()
  return await ratePerCpuSecond(ms, once)
}

/** The curve's part in a ping and its pong: each end signs one packet and checks one. */
async function rawPing(durationMs: number): Promise<number> {
  const { secretKey } = await createIdentity()
  const publicKey = curve.publicKey(secretKey)
  const hash = randomBytes(32)
  return await ratePerCpuSecond(durationMs, async () => {
    for (let end = 0; end < 2; end++) {
      if (!curve.verify(hash, curve.sign(hash, secretKey).subarray(0, 64), publicKey)) throw new Error('a signature did not hold')
    }
    return 1
  })
}

async function sessions(durationMs: number): Promise<number> {
  const { identity } = await startV5()
  const clients: Node<Discv5>[] = []
  return await preparedRatePerCpuSecond(
    durationMs,
    async () => {
      await Promise.all(clients.splice(0).map(({ part }) => part.stop()))
      clients.push(...(await Promise.all(Array.from({ length: BATCH }, startV5))))
      return clients
    },
    async (fresh) => {
      for (const { part } of fresh) if ((await part.ping(identity.record.node)) === undefined) throw new Error('a ping was not answered')
      return fresh.length
    },
  )
}

/** What the node that is called keeps of a session: the callers are gone when it is weighed. */
async function memory(count: number): Promise<number> {
  withoutCompiling()
  const { identity, part } = await startV5()
  const call = async (): Promise<void> => {
    const client = await startV5()
    await client.part.ping(identity.record.node)
    await client.part.stop()
  }
  for (let i = 0; i < BATCH; i++) await call()
  const before = heapBytes()
  for (let i = 0; i < count; i++) await call()
  const held = (heapBytes() - before) / count
  if (part.status().sessions !== BATCH + count) throw new Error(`${part.status().sessions} sessions instead of ${BATCH + count}`)
  return held
}

const [what, argument] = process.argv.slice(2)
const figures: Record<string, (argument: number) => Promise<number>> = {
  'ping-v4': async (ms) => await ping(startV4, ms),
  'ping-v5': async (ms) => await ping(startV5, ms),
  'raw-ping-v4': rawPing,
  sessions,
  memory,
}
console.log(await figures[what ?? '']?.(Number(argument)))
process.exit(0)
