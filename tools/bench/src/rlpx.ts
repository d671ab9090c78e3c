import { type GoFigure, runGoBench } from '@kumiko/interop/go-peer'
import type { Figure, Suite } from './figure.ts'
import { idleBytesPerPeer } from './idle.ts'
import { runWorker } from './worker.ts'

const KIB = 1024

const go = (figure: GoFigure) => async (durationMs: number) => (await runGoBench(figure, durationMs))?.figures[figure]?.perCpuSecond

const against = (
  peer: string,
  name: string,
  unit: string,
  ours: string,
  theirs: string,
  goal: number,
  better: Figure['better'] = 'more',
): Figure => ({
  name,
  peer,
  unit,
  goal,
  better,
  ours,
  theirs,
})

/** RLPx beside `@ethereumjs/devp2p`, beside the raw limit, and, where Go is installed, beside go-ethereum. All rates are per CPU-second, both ends. */
export const rlpx: Suite = {
  name: 'rlpx',
  contestants: {
    'ours 32 B': (ms) => runWorker('ours', ['messages', 32, ms]),
    'ejs 32 B': (ms) => runWorker('ejs', ['messages', 32, ms]),
    'go 32 B': go('msg-32'),
    'ours 1 KiB': (ms) => runWorker('ours', ['messages', KIB, ms]),
    'ejs 1 KiB': (ms) => runWorker('ejs', ['messages', KIB, ms]),
    'raw 1 KiB': (ms) => runWorker('raw', [KIB, ms]),
    'ours 64 KiB': (ms) => runWorker('ours', ['messages', 64 * KIB, ms]),
    'ejs 64 KiB': (ms) => runWorker('ejs', ['messages', 64 * KIB, ms]),
    'raw 64 KiB': (ms) => runWorker('raw', [64 * KIB, ms]),
    'go 64 KiB': go('msg-64k'),
    'ours handshake': (ms) => runWorker('ours', ['handshake-native', ms]),
    'ours handshake, portable': (ms) => runWorker('ours', ['handshake-portable', ms]),
    'ejs handshake': (ms) => runWorker('ejs', ['handshake', ms]),
    'go handshake': go('handshake'),
    'ours idle': () => idleBytesPerPeer('ours'),
    'ejs idle': () => idleBytesPerPeer('ejs'),
  },
  figures: [
    against('ejs', '64 KiB random', 'msg/cpu-s', 'ours 64 KiB', 'ejs 64 KiB', 15),
    against('raw limit', '64 KiB random', 'msg/cpu-s', 'ours 64 KiB', 'raw 64 KiB', 0.6),
    against('go', '64 KiB random', 'msg/cpu-s', 'ours 64 KiB', 'go 64 KiB', 0.8),
    against('ejs', '1 KiB random', 'msg/cpu-s', 'ours 1 KiB', 'ejs 1 KiB', 5),
    against('raw limit', '1 KiB random', 'msg/cpu-s', 'ours 1 KiB', 'raw 1 KiB', 0.5),
    against('ejs', '32 B random', 'msg/cpu-s', 'ours 32 B', 'ejs 32 B', 4),
    against('go', '32 B random', 'msg/cpu-s', 'ours 32 B', 'go 32 B', 0.4),
    against('ejs', 'handshake, native curve', '/cpu-s', 'ours handshake', 'ejs handshake', 12),
    against('go', 'handshake, native curve', '/cpu-s', 'ours handshake', 'go handshake', 1),
    against('ejs', 'handshake, portable curve', '/cpu-s', 'ours handshake, portable', 'ejs handshake', 1.5),
    against('ejs', 'heap per idle peer', 'B', 'ours idle', 'ejs idle', 1, 'less'),
  ],
}
