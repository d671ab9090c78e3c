import type { Libp2p, Metrics } from '@libp2p/interface'
import { ping } from '@libp2p/ping'
import { type Check, check, errorOf, pause, until } from './check.ts'
import { protector } from './parts.ts'
import { addressOf, apart, connected, type Stage } from './stage.ts'

/** Metrics that write down what they are told to track. */
function recording(seen: string[]): () => Metrics {
  const metric = { update: () => {}, increment: () => {}, decrement: () => {}, reset: () => {}, observe: () => {}, timer: () => () => {} }
  const register = (): typeof metric => metric
  return () =>
    ({
      trackMultiaddrConnection: ({ direction }: { direction: string }) => void seen.push(`connection ${direction}`),
      trackProtocolStream: ({ protocol, direction }: { protocol: string; direction: string }) =>
        void seen.push(`stream ${protocol} ${direction}`),
      registerMetric: register,
      registerMetricGroup: register,
      registerCounter: register,
      registerCounterGroup: register,
      registerHistogram: register,
      registerHistogramGroup: register,
      registerSummary: register,
      registerSummaryGroup: register,
      traceFunction: <F>(_: string, run: F): F => run,
      createTrace: () => undefined,
    }) as unknown as Metrics
}

/** A node whose peers answer pings of the monitor, and one whose peers do not. */
async function monitored(
  stage: Stage,
  answers: boolean,
  monitor: object,
): Promise<{ a: Awaited<ReturnType<Stage['node']>>; b: Awaited<ReturnType<Stage['node']>> }> {
  const a = await stage.node({
    connectionMonitor: { pingInterval: 30, pingTimeout: { minTimeout: 60, maxTimeout: 60 }, ...monitor } as never,
  })
  const b = answers ? await stage.listener({ services: { ping: ping() } }) : await stage.listener()
  if (!answers) await b.handle('/ipfs/ping/1.0.0', () => {})
  await a.dial(addressOf(b))
  await connected(a, b)
  return { a, b }
}

/** Waits for a connection's end, at most 500 ms: many pings of the monitor. */
async function endOrTime(node: Libp2p): Promise<void> {
  const end = Date.now() + 500
  while (node.getPeers().length > 0 && Date.now() < end) await pause(5)
}

export const OBSERVING: readonly Check[] = [
  check(
    'metrics: are there, and told of connections and streams at both ends',
    { isThere: true, a: ['connection outbound', 'stream /tea/1.0.0 outbound'], b: ['connection inbound', 'stream /tea/1.0.0 inbound'] },
    async (stage) => {
      const [atA, atB] = [[] as string[], [] as string[]]
      const [a, b] = [await stage.node({ metrics: recording(atA) }), await stage.listener({ metrics: recording(atB) })]
      await b.handle('/tea/1.0.0', () => {})
      await a.dialProtocol(addressOf(b), '/tea/1.0.0')
      await until('both were told', () => atA.length === 2 && atB.length === 2)
      return { isThere: a.metrics !== undefined, a: atA, b: atB }
    },
  ),

  check('metrics: are not there unless given', true, async (stage) => {
    const node = await stage.node()
    return node.metrics === undefined
  }),

  check(
    'protector: is asked at both ends, and what it lets through connects',
    { seen: ['leaves', 'leaves'], peers: [1, 1] },
    async (stage) => {
      const seen: string[] = []
      const connectionProtector = protector('leaves', seen)
      const [a, b] = [await stage.node({ connectionProtector }), await stage.listener({ connectionProtector })]
      await a.dial(addressOf(b))
      await connected(a, b)
      return { seen, peers: [a.getPeers().length, b.getPeers().length] }
    },
  ),

  check('protector: keeps another network out', ['failed', 0, 0], async (stage) => {
    const [a, b] = [
      await stage.node({ connectionProtector: protector('leaves') }),
      await stage.listener({ connectionProtector: protector('bags') }),
    ]
    const ended = await errorOf(a.dial(addressOf(b)))
    await apart(a, b)
    return [ended === 'no error' ? ended : 'failed', a.getPeers().length, b.getPeers().length]
  }),

  check('monitor: tells the round-trip time', true, async (stage) => {
    const { a } = await monitored(stage, true, {})
    await until('it is measured', () => a.getConnections()[0]?.rtt !== undefined)
    return (a.getConnections()[0]?.rtt ?? -1) >= 0
  }),

  check('monitor: a peer that does not speak ping stays', [1, true], async (stage) => {
    const a = await stage.node({ connectionMonitor: { pingInterval: 30 } })
    const b = await stage.listener()
    await a.dial(addressOf(b))
    await until('it was asked', () => a.getConnections()[0]?.rtt !== undefined)
    return [a.getPeers().length, a.getConnections()[0]?.rtt !== undefined]
  }),

  check('monitor: a late answer does not end a connection that is well', 1, async (stage) => {
    const { a } = await monitored(stage, false, {})
    await endOrTime(a)
    return a.getPeers().length
  }),

  check('monitor: with abortConnectionOnPingFailure false a connection stays', 1, async (stage) => {
    const { a } = await monitored(stage, false, { abortConnectionOnPingFailure: false })
    await endOrTime(a)
    return a.getPeers().length
  }),

  check('monitor: is off where it is said to be', true, async (stage) => {
    const { a } = await monitored(stage, true, { enabled: false })
    await pause(150)
    return a.getConnections()[0]?.rtt === undefined
  }),
]
