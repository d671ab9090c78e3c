import type { Figure, Suite } from './figure.ts'
import { runWorker } from './worker.ts'

/** A network is to have its first transaction committed so soon after its process began, in seconds. */
const COLD_MAX_S = 3

/** Clients whose streams are open at once. */
const STREAMS = 1000

const KINDS = ['evaluate', 'submit'] as const

type Kind = (typeof KINDS)[number]

/** The last rates, of which the share is made. */
const rates = new Map<string, number>()

const rate = (server: 'network' | 'bare', kind: Kind) => async (ms: number) => {
  const measured = await runWorker('fabric-client', [server, kind, ms])
  rates.set(`${server} ${kind}`, measured)
  return measured
}

/** How much of a call's time on the CPU is more than gRPC alone takes, in percent. */
const share = (kind: Kind) => async () => {
  const [ours, bare] = [rates.get(`network ${kind}`), rates.get(`bare ${kind}`)]
  return ours === undefined || bare === undefined ? undefined : 100 * (1 - ours / bare)
}

const kindFigures = (kind: Kind): Figure[] => [
  {
    name: kind,
    peer: 'bare gRPC',
    unit: '1/cpu-s',
    goal: undefined,
    better: 'more',
    ours: `network ${kind}`,
    theirs: `bare ${kind}`,
  },
  { name: `${kind}: share that is ours`, peer: 'all', unit: '%', goal: undefined, better: 'less', ours: `share ${kind}`, theirs: 'all' },
]

/** Time on the CPU is told, too: on a machine that has other work it is what can be compared. */
const cold = (orgs: number): Figure[] =>
  (['wall', 'cpu'] as const).map((clock) => ({
    name: `cold to first commit, ${orgs} org${orgs === 1 ? '' : 's'}`,
    peer: 'allowed',
    unit: clock === 'wall' ? 's' : 'cpu-s',
    goal: clock === 'wall' ? 1 : undefined,
    better: 'less',
    ours: `cold ${orgs} ${clock}`,
    theirs: 'cold allowed',
  }))

/**
 * A network for development, seen by the unmodified gateway client: its cold start; CPU of the network's process a call, beside a server that answers the
 * same messages by the same gRPC and does nothing else; and clients whose streams are open at once.
 */
export const fabric: Suite = {
  name: 'fabric',
  rounds: 3,
  contestants: {
    ...Object.fromEntries(
      [1, 2].flatMap((orgs) => ['wall', 'cpu'].map((clock) => [`cold ${orgs} ${clock}`, () => runWorker('fabric-cold', [orgs, clock])])),
    ),
    'cold allowed': async () => COLD_MAX_S,
    ...Object.fromEntries(
      KINDS.flatMap((kind) => [
        [`network ${kind}`, rate('network', kind)],
        [`bare ${kind}`, rate('bare', kind)],
        [`share ${kind}`, share(kind)],
      ]),
    ),
    all: async () => 100,
    streams: () => runWorker('fabric-client', ['network', 'streams', STREAMS]),
    'streams wanted': async () => STREAMS,
  },
  figures: [
    ...[1, 2].flatMap(cold),
    ...KINDS.flatMap(kindFigures),
    {
      name: 'streams that hear a block',
      peer: 'opened',
      unit: 'clients',
      goal: 1,
      better: 'more',
      ours: 'streams',
      theirs: 'streams wanted',
    },
  ],
}
