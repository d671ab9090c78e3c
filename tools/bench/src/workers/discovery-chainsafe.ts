// @chainsafe/discv5, both ends in this process over loopback UDP: `ping MS`, `sessions MS`, `memory COUNT`.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { Discv5, type IDiscv5CreateOptions } from '@chainsafe/discv5'
import { SignableENR } from '@chainsafe/enr'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { heapBytes, preparedRatePerCpuSecond, ratePerCpuSecond, withoutCompiling } from '../measure.ts'

const BATCH = 16
const isQuiet = { pingInterval: 1 << 30, enrUpdate: false, lookupTimeout: 1000, sessionCacheCapacity: 1 << 20 }

async function start(): Promise<Discv5> {
  // The same key in the form of an older release of libp2p's interface.
  const privateKey = (await generateKeyPair('secp256k1')) as unknown as IDiscv5CreateOptions['privateKey']
  const enr = SignableENR.createFromPrivateKey(privateKey)
  enr.ip = '127.0.0.1'
  enr.udp = await freePort()
  const ip4 = enr.getLocationMultiaddr('udp')
  if (ip4 === undefined) throw new Error('a record with an address has a multiaddr')
  const discv5 = Discv5.create({ enr, privateKey, bindAddrs: { ip4 }, config: isQuiet })
  await discv5.start()
  return discv5
}

async function freePort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  return port
}

async function ping(durationMs: number): Promise<number> {
  const from = await start()
  const others = (await Promise.all(Array.from({ length: BATCH }, start))).map(({ enr }) => enr.toENR())
  const once = async (): Promise<number> => (await Promise.all(others.map((enr) => from.sendPing(enr)))).length
  await once()
  return await ratePerCpuSecond(durationMs, once)
}

async function sessions(durationMs: number): Promise<number> {
  const to = await start()
  const enr = to.enr.toENR()
  const clients: Discv5[] = []
  return await preparedRatePerCpuSecond(
    durationMs,
    async () => {
      await Promise.all(clients.splice(0).map((client) => client.stop()))
      clients.push(...(await Promise.all(Array.from({ length: BATCH }, start))))
      return clients
    },
    async (fresh) => {
      for (const client of fresh) await client.sendPing(enr)
      return fresh.length
    },
  )
}

/** What the node that is called keeps of a session: the callers are gone when it is weighed. */
async function memory(count: number): Promise<number> {
  withoutCompiling()
  const to = await start()
  const enr = to.enr.toENR()
  const call = async (): Promise<void> => {
    const client = await start()
    await client.sendPing(enr)
    await client.stop()
  }
  for (let i = 0; i < BATCH; i++) await call()
  const before = heapBytes()
  for (let i = 0; i < count; i++) await call()
  const held = (heapBytes() - before) / count
  return to.isStarted() ? held : Number.NaN
}

const [what, argument] = process.argv.slice(2)
const figures: Record<string, (argument: number) => Promise<number>> = { ping, sessions, memory }
console.log(await figures[what ?? '']?.(Number(argument)))
process.exit(0)
