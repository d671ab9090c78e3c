import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { type Ping, ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { webSockets } from '@libp2p/websockets'
import { yamux } from '@libp2p/yamux'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { loadQuic } from './quic.ts'
import { RespClient } from './resp-client.ts'

/** Where the listener leaves its address for the dialer. */
const LISTENER_KEY = 'listenerAddr'

/** What libp2p's test-plans, transport-interop, tell a program by its environment. */
export interface TransportContract {
  readonly transport: 'tcp' | 'ws' | 'quic-v1'
  /** Empty where the transport has its own. */
  readonly muxer: 'yamux' | ''
  /** Empty where the transport has its own. */
  readonly security: 'noise' | 'tls' | ''
  readonly isDialer: boolean
  /** To listen on. */
  readonly ip: string
  /** `host:port`. */
  readonly redis: string
  readonly timeoutMs: number
}

/** What the dialer prints, in milliseconds. The third l is the contract's. */
interface Measured {
  readonly handshakePlusOneRTTMillis: number
  readonly pingRTTMilllis: number
}

/** As much of a node as the contract needs. */
export interface ContractNode {
  dial(address: Multiaddr, options: { signal: AbortSignal }): Promise<unknown>
  getMultiaddrs(): Multiaddr[]
  readonly services: { readonly ping: Ping }
}

/** @throws Error for a value that we do not have, naming the variable. */
export function readContract(env: Readonly<Record<string, string | undefined>>): TransportContract {
  const { transport = '', muxer = '', security = '', ip = '0.0.0.0', redis_addr = 'redis:6379', test_timeout_seconds = '180' } = env
  const isStandalone = transport === 'quic-v1'
  return {
    transport: oneOf('transport', transport, ['tcp', 'ws', 'quic-v1']),
    muxer: oneOf('muxer', muxer, isStandalone ? ['', 'yamux'] : ['yamux']),
    security: oneOf('security', security, isStandalone ? ['', 'noise', 'tls'] : ['noise', 'tls']),
    isDialer: oneOf('is_dialer', env.is_dialer ?? '', ['true', 'false']) === 'true',
    ip,
    redis: redis_addr,
    timeoutMs: secondsOf(test_timeout_seconds) * 1000,
  }
}

function oneOf<Value extends string>(name: string, value: string, values: readonly Value[]): Value {
  const found = values.find((each) => each === value)
  if (found === undefined) throw new Error(`${name} is one of ${values.map((each) => `'${each}'`).join(', ')}, not '${value}'`)
  return found
}

function secondsOf(text: string): number {
  const seconds = Number(text)
  if (!(seconds > 0 && seconds <= 86_400)) throw new Error(`test_timeout_seconds is a number above 0, not '${text}'`)
  return seconds
}

/** js-libp2p's modules for a node of it, or a Host. @throws Error where QUIC does not load. */
export async function contractParts({ transport, security, ip, isDialer }: TransportContract) {
  const quic = transport === 'quic-v1' ? await loadQuic() : undefined
  if (transport === 'quic-v1' && quic === undefined) throw new Error('@chainsafe/libp2p-quic does not load on this machine')
  const listen = { tcp: `/ip4/${ip}/tcp/0`, ws: `/ip4/${ip}/tcp/0/ws`, 'quic-v1': `/ip4/${ip}/udp/0/quic-v1` }[transport]
  return {
    addresses: { listen: isDialer ? [] : [listen] },
    transports: [tcp(), webSockets(), ...(quic === undefined ? [] : [quic.quic()])],
    connectionEncrypters: [security === 'tls' ? tls() : noise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), ping: ping() },
  }
}

/** Plays the side that the environment tells, and ends the process. @param make - A started node of {@link contractParts}. */
export async function playContract(make: (contract: TransportContract) => Promise<ContractNode>): Promise<void> {
  try {
    const contract = readContract(process.env)
    const signal = AbortSignal.timeout(contract.timeoutMs)
    const redis = RespClient.connect(contract.redis)
    const node = await make(contract)
    if (!contract.isDialer) await listen(node, redis, signal)
    process.stdout.write(`${JSON.stringify(await measure(node, redis, contract, signal))}\n`, () => process.exit(0))
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`, () => process.exit(1))
  }
}

/** Until the runner ends us. @throws Error after the time of the test. */
async function listen(node: ContractNode, redis: RespClient, signal: AbortSignal): Promise<never> {
  await redis.command('RPUSH', LISTENER_KEY, addressOf(node))
  return await new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error('nobody has ended the listener within the time of the test')))
  })
}

/** One that others reach, where there is one. */
function addressOf(node: ContractNode): string {
  const addresses = node.getMultiaddrs().map(String)
  const address = addresses.find((each) => !each.startsWith('/ip4/127.')) ?? addresses[0]
  if (address === undefined) throw new Error('it listens nowhere')
  return address
}

async function measure(node: ContractNode, redis: RespClient, { timeoutMs }: TransportContract, signal: AbortSignal): Promise<Measured> {
  const popped = await redis.command('BLPOP', LISTENER_KEY, String(Math.ceil(timeoutMs / 1000)))
  if (!Array.isArray(popped)) throw new Error('the listener has left no address within the time of the test')
  const address = multiaddr(String(popped[1]))
  const start = performance.now()
  await node.dial(address, { signal })
  const pingRTTMilllis = await node.services.ping.ping(address, { signal })
  return { handshakePlusOneRTTMillis: performance.now() - start, pingRTTMilllis }
}
