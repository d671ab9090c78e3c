import type { Figure, Suite } from './figure.ts'
import { runWorker } from './worker.ts'

/** Sessions that are weighed together: a session is too small to be weighed alone. */
const SESSIONS = 200

const against = (peer: string, name: string, unit: string, what: string, goal: number, better: Figure['better'] = 'more'): Figure => ({
  name,
  peer,
  unit,
  goal,
  better,
  ours: `ours ${what}`,
  theirs: `${peer} ${what}`,
})

/**
 * discv4 beside `@ethereumjs/devp2p` and the curve alone, discv5 beside `@chainsafe/discv5`. Both ends are of one kind and in one process, on loopback sockets;
 * rates are per CPU-second of both: what is measured is the work, not the waiting. Sixteen nodes are pinged at the same time, as in a lookup.
 */
export const discovery: Suite = {
  name: 'discovery',
  contestants: {
    'ours ping v4': (ms) => runWorker('discovery', ['ping-v4', ms]),
    'raw limit ping v4': (ms) => runWorker('discovery', ['raw-ping-v4', ms]),
    'ejs ping v4': (ms) => runWorker('discovery-ejs', [ms]),
    'ours ping v5': (ms) => runWorker('discovery', ['ping-v5', ms]),
    'chainsafe ping v5': (ms) => runWorker('discovery-chainsafe', ['ping', ms]),
    'ours sessions': (ms) => runWorker('discovery', ['sessions', ms]),
    'chainsafe sessions': (ms) => runWorker('discovery-chainsafe', ['sessions', ms]),
    'ours memory': () => runWorker('discovery', ['memory', SESSIONS]),
    'chainsafe memory': () => runWorker('discovery-chainsafe', ['memory', SESSIONS]),
  },
  figures: [
    against('ejs', 'discv4 ping → pong', '/cpu-s', 'ping v4', 15),
    against('raw limit', 'discv4 ping → pong', '/cpu-s', 'ping v4', 0.5),
    against('chainsafe', 'discv5 new sessions', '/cpu-s', 'sessions', 10),
    against('chainsafe', 'discv5 ping → pong', '/cpu-s', 'ping v5', 2),
    against('chainsafe', 'heap per discv5 session', 'B', 'memory', 1, 'less'),
  ],
}
