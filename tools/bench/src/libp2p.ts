import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { type Figure, median, type Suite } from './figure.ts'
import { runWorker } from './worker.ts'
import type { Answer, Ask, Timed } from './workers/libp2p-node.ts'

/** `bare`: tcp, noise and yamux without a node around them. */
type Stack = 'ours' | 'ours-noise-crypto' | 'theirs' | 'bare'
type KeyType = 'Ed25519' | 'secp256k1'

/** Idle connections that are weighed, each with an identity of its own, after some that make what is made once. */
const [IDLE_BEFORE, IDLE] = [100, 400]
/** These take ten seconds each. */
const IDLE_ROUNDS = 3
/** Connects and disconnects after which the heap is weighed; the first make what is made once. */
const [CHURN_BEFORE, CHURN] = [1_000, 10_000]
/** js-libp2p's default. */
const KEY: KeyType = 'Ed25519'
const MIB = 1 << 20

/** A process with nodes of one stack. */
class Node {
  readonly #child: ChildProcess

  constructor(stack: Stack, keyType: KeyType) {
    const file = fileURLToPath(new URL('./workers/libp2p-node.ts', import.meta.url))
    this.#child = fork(file, [stack, keyType], { execArgv: ['--conditions=@kumiko/source', '--expose-gc', '--no-warnings'] })
  }

  async ask(ask: Ask): Promise<Answer> {
    return await new Promise((resolve, reject) => {
      const failed = (code: number | null): void => reject(new Error(`The node ended with ${code} when asked to ${ask.do}`))
      this.#child.once('exit', failed)
      this.#child.once('message', (answer) => {
        this.#child.off('exit', failed)
        resolve(answer as Answer)
      })
      this.#child.send(ask)
    })
  }

  end(): void {
    this.#child.kill()
  }
}

async function withPair<T>(stack: Stack, keyType: KeyType, use: (client: Node, server: Node, address: string) => Promise<T>): Promise<T> {
  const [client, server] = [new Node(stack, keyType), new Node(stack, keyType)]
  try {
    const { address = '' } = await server.ask({ do: 'listen' })
    return await use(client, server, address)
  } finally {
    client.end()
    server.end()
  }
}

interface Measured {
  readonly count: number
  /** Of both processes. */
  readonly cpuSeconds: number
  readonly ms: readonly number[]
}

/** Before anything is measured it is done so often, and for as long as it will be measured, on either stack. */
const WARM_UP_COUNT = 1_000

/** Warms both ends up, and then measures. */
async function measure(stack: Stack, keyType: KeyType, what: Timed, durationMs: number): Promise<Measured> {
  return await withPair(stack, keyType, async (client, server, address) => {
    // What runs a few hundred times is compiled late: a dial is done in milliseconds, but in half of them only once the code is warm.
    for (let warmed = 0; warmed < WARM_UP_COUNT; ) warmed += (await client.ask({ do: what, address, durationMs })).count ?? WARM_UP_COUNT
    const before = [await client.ask({ do: 'cpu' }), await server.ask({ do: 'cpu' })] as const
    const { count = 0, ms = [] } = await client.ask({ do: what, address, durationMs })
    const after = [await client.ask({ do: 'cpu' }), await server.ask({ do: 'cpu' })] as const
    const identified = (after[1].identified ?? 0) - (before[1].identified ?? 0)
    if (what === 'dial' && identified < 0.98 * count) throw new Error(`The server identified only ${identified} of ${count} dials`)
    return { count, ms, cpuSeconds: after[0].cpuSeconds - before[0].cpuSeconds + after[1].cpuSeconds - before[1].cpuSeconds }
  })
}

const cpuMs =
  (stack: Stack, what: Timed, keyType: KeyType = KEY) =>
  async (durationMs: number): Promise<number> => {
    const { count, cpuSeconds } = await measure(stack, keyType, what, durationMs)
    return (1_000 * cpuSeconds) / count
  }

const openMs = (stack: Stack) => async (durationMs: number) => median((await measure(stack, KEY, 'open', durationMs)).ms)

const uploadRate = (stack: Stack) => async (durationMs: number) => {
  const { count, cpuSeconds } = await measure(stack, KEY, 'upload', durationMs)
  return count / MIB / cpuSeconds
}

const rawMs = (what: Timed, keyType: KeyType) => async (durationMs: number) =>
  1_000 / (await runWorker('libp2p-raw', [what, durationMs, keyType]))

interface Memory {
  readonly heapBytes: number
  readonly rssBytes: number
}

/** What a server holds for each idle connection. Only the server is weighed. */
async function idle(stack: Stack): Promise<Memory> {
  return await withPair(stack, KEY, async (client, server, address) => {
    await client.ask({ do: 'connect', address, count: IDLE_BEFORE })
    const before = await server.ask({ do: 'memory' })
    await client.ask({ do: 'connect', address, count: IDLE })
    const after = await server.ask({ do: 'memory' })
    const connections = (after.connections ?? 0) - (before.connections ?? 0)
    if (connections !== IDLE) throw new Error(`The server has ${connections} more connections, not ${IDLE}`)
    return {
      heapBytes: ((after.heapBytes ?? 0) - (before.heapBytes ?? 0)) / IDLE,
      rssBytes: ((after.rssBytes ?? 0) - (before.rssBytes ?? 0)) / IDLE,
    }
  })
}

/** The server's heap after so many connects and disconnects, in MiB. */
async function churn(stack: Stack): Promise<readonly [before: number, after: number]> {
  return await withPair(stack, KEY, async (client, server, address) => {
    await client.ask({ do: 'churn', address, count: CHURN_BEFORE })
    const before = await server.ask({ do: 'memory' })
    await client.ask({ do: 'churn', address, count: CHURN - CHURN_BEFORE })
    const after = await server.ask({ do: 'memory' })
    return [(before.heapBytes ?? 0) / MIB, (after.heapBytes ?? 0) / MIB]
  })
}

/** What takes long is run once, and gives two samples; later rounds have none. */
function twoOf<A>(
  run: () => Promise<A>,
  rounds: number,
): readonly [first: () => Promise<A | undefined>, second: () => Promise<A | undefined>] {
  const results: Promise<A>[] = []
  const at = (): (() => Promise<A | undefined>) => {
    let round = 0
    return async () => {
      const index = round++
      if (index >= rounds) return undefined
      results[index] ??= run()
      return await results[index]
    }
  }
  return [at(), at()]
}

const [oursIdleRss, oursIdleHeap] = twoOf(() => idle('ours'), IDLE_ROUNDS)
const [theirsIdleRss, theirsIdleHeap] = twoOf(() => idle('theirs'), IDLE_ROUNDS)
const [bareIdleRss, bareIdleHeap] = twoOf(() => idle('bare'), IDLE_ROUNDS)
const [churnBefore, churnAfter] = twoOf(() => churn('ours'), 1)

const against = (
  peer: string,
  name: string,
  unit: string,
  ours: string,
  theirs: string,
  goal: number | undefined,
  better: Figure['better'] = 'less',
): Figure => ({ name, peer, unit, goal, better, ours, theirs })

/**
 * Our Host beside `libp2p` on the same modules of npm: tcp, noise, yamux, identify, ping, echo. Both ends are of one kind, each in a process of its own;
 * CPU is that of both. Raw limits are Node's sockets and Node's crypto, in one process.
 */
export const libp2p: Suite = {
  name: 'libp2p',
  rounds: 3,
  contestants: {
    'ours dial': cpuMs('ours', 'dial'),
    'theirs dial': cpuMs('theirs', 'dial'),
    'ours dial, noiseCrypto': cpuMs('ours-noise-crypto', 'dial'),
    'raw dial': rawMs('dial', KEY),
    'ours dial, secp256k1': cpuMs('ours', 'dial', 'secp256k1'),
    'theirs dial, secp256k1': cpuMs('theirs', 'dial', 'secp256k1'),
    'ours request': cpuMs('ours', 'request'),
    'theirs request': cpuMs('theirs', 'request'),
    'raw request': rawMs('request', KEY),
    'ours open': openMs('ours'),
    'theirs open': openMs('theirs'),
    'ours upload': uploadRate('ours'),
    'theirs upload': uploadRate('theirs'),
    'raw upload': async (durationMs) => (await runWorker('libp2p-raw', ['upload', durationMs])) / MIB,
    'ours idle rss': async () => (await oursIdleRss())?.rssBytes,
    'theirs idle rss': async () => (await theirsIdleRss())?.rssBytes,
    'bare idle rss': async () => (await bareIdleRss())?.rssBytes,
    'ours idle heap': async () => (await oursIdleHeap())?.heapBytes,
    'theirs idle heap': async () => (await theirsIdleHeap())?.heapBytes,
    'bare idle heap': async () => (await bareIdleHeap())?.heapBytes,
    'heap after 1,000': async () => (await churnBefore())?.[0],
    'heap after 10,000': async () => (await churnAfter())?.[1],
  },
  figures: [
    against('libp2p', 'CPU per dial + identify', 'ms', 'ours dial', 'theirs dial', 0.6),
    against('raw limit', 'CPU per dial + identify', 'ms', 'ours dial', 'raw dial', undefined),
    against('libp2p', 'the same, ours with noiseCrypto', 'ms', 'ours dial, noiseCrypto', 'theirs dial', undefined),
    against('libp2p', 'the same, secp256k1', 'ms', 'ours dial, secp256k1', 'theirs dial, secp256k1', undefined),
    against('libp2p', 'CPU per request', 'ms', 'ours request', 'theirs request', 0.6),
    against('raw limit', 'CPU per request', 'ms', 'ours request', 'raw request', undefined),
    against('libp2p', 'stream open, p50', 'ms', 'ours open', 'theirs open', 0.6),
    against('libp2p', 'one stream', 'MiB/cpu-s', 'ours upload', 'theirs upload', 1, 'more'),
    against('raw limit', 'one stream', 'MiB/cpu-s', 'ours upload', 'raw upload', undefined, 'more'),
    against('libp2p', 'RSS per idle connection', 'B', 'ours idle rss', 'theirs idle rss', 0.5),
    against('tcp, noise and yamux alone', 'RSS per idle connection', 'B', 'ours idle rss', 'bare idle rss', undefined),
    against('libp2p', 'heap per idle connection', 'B', 'ours idle heap', 'theirs idle heap', undefined),
    against('tcp, noise and yamux alone', 'heap per idle connection', 'B', 'ours idle heap', 'bare idle heap', undefined),
    against('itself after 1,000', 'heap after 10,000 connects', 'MiB', 'heap after 10,000', 'heap after 1,000', 1.1),
  ],
}
