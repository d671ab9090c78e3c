import type { Lookup } from '@kumiko/identity'
import { checkOptionNames, checkOptionNumbers, type DialTo, type Millis, type NodeSource } from '@kumiko/interface'
import type { AutoDialOptions } from './auto-dial.ts'
import type { Connect } from './connect.ts'
import type { Rank } from './rank.ts'
import type { Resolve } from './runner.ts'
import type { ResolveTxt } from './system-txt.ts'

/** Options of the dialer. */
export interface DialerOptions {
  /** Nodes to be kept connected from the start. */
  readonly static?: readonly DialTo[]
  /** Dialed, one at a time, when there has been no peer for 20 s. */
  readonly bootnodes?: readonly DialTo[]
  /** Where nodes to dial come from. */
  readonly sources?: readonly NodeSource[]
  /** See {@link Dialer.dialRatio}. Default 3; 0: only static nodes are dialed unasked. */
  readonly dialRatio?: number
  /** Dials under way at most, whatever their kind. Default 16. */
  readonly maxActiveDials?: number
  /** How long a node is not dialed again unasked. Default 35,000: 5 s more than a remote refuses a second attempt. */
  readonly historyMs?: Millis
  /** Dials that wait for a slot at most. Default 1024. */
  readonly maxDialQueueLength?: number
  /** Between the starts of two addresses of one peer, as the default ranking has it. Default 250. */
  readonly staggerMs?: Millis
  /** Addresses of one peer that are tried at the same time at most. Default 16: all that are tried. */
  readonly maxParallelAddresses?: number
  /** In which order the addresses of a peer are tried, and when each is. Default: {@link rankAddresses}. */
  readonly rank?: Rank
  /** All addresses of a dial together. Default 15,000. */
  readonly dialTimeoutMs?: Millis
  /** One address. Default 10,000. */
  readonly addressTimeoutMs?: Millis
  /** Keeps so many peers of the peer store connected. Default: none is dialed because peers are missing. */
  readonly autoDial?: AutoDialOptions
  /** Keeps peers connected that are tagged `keep-alive…` in the peer store. Default: true, but where js-libp2p's connection manager does so. */
  readonly keepAlive?: boolean
  /** A peer that is tagged so is given up after so many retries in a row, and loses the tag. Default 5; `Infinity`: never. */
  readonly reconnectRetries?: number
  /** Before the first of them, doubled each time, up to 5 minutes. Default 1000. */
  readonly reconnectMs?: Millis
  /** Nothing is dialed unasked; `dial` works. Default false. */
  readonly noDial?: boolean
  /** Networks that dials may go to: `10.0.0.0/8`. A name may be dialed where it leads into them; relays are in none. Default: all. */
  readonly netRestrict?: readonly string[]
  /** Opens a connection to one address. Default: the node's transport manager. */
  readonly connect?: Connect
  /** Asks for a static node's record anew where its addresses do not serve: 60 s after the last time, up to an hour if not found. */
  readonly resolve?: Resolve
  /** Looks DNS names up, so that rules on IPs hold for them, too. Default: the system's, as `net.connect` would. */
  readonly lookup?: Lookup
  /** Looks TXT records up, for `/dnsaddr`. Default: the node's component `dns` where it has one, else the system's. */
  readonly resolveTxt?: ResolveTxt
}

const OPTIONS: Readonly<Record<keyof DialerOptions, true>> = {
  static: true,
  bootnodes: true,
  sources: true,
  dialRatio: true,
  maxActiveDials: true,
  historyMs: true,
  maxDialQueueLength: true,
  staggerMs: true,
  maxParallelAddresses: true,
  rank: true,
  dialTimeoutMs: true,
  addressTimeoutMs: true,
  autoDial: true,
  keepAlive: true,
  reconnectRetries: true,
  reconnectMs: true,
  noDial: true,
  netRestrict: true,
  connect: true,
  resolve: true,
  lookup: true,
  resolveTxt: true,
}

const LEAST = {
  dialRatio: 0,
  maxActiveDials: 1,
  maxDialQueueLength: 1,
  historyMs: 0,
  staggerMs: 0,
  maxParallelAddresses: 1,
  dialTimeoutMs: 1,
  addressTimeoutMs: 1,
  reconnectRetries: 0,
  reconnectMs: 0,
}

const AUTO_DIAL_OPTIONS: Readonly<Record<keyof AutoDialOptions, true>> = { wanted: true, perTag: true, perProtocol: true, intervalMs: true }

const AUTO_DIAL_LEAST = { wanted: 0, intervalMs: 1 }

/** @throws KumikoError `dialer/bad-option`. */
export function checkOptions(options: DialerOptions): void {
  checkOptionNames('dialer/bad-option', 'dialer', options, OPTIONS)
  checkOptionNumbers('dialer/bad-option', 'dialer', options, LEAST)
  checkAutoDial(options.autoDial ?? {})
}

function checkAutoDial(options: AutoDialOptions): void {
  const { perTag = {}, perProtocol = {} } = options
  checkOptionNames('dialer/bad-option', 'dialer.autoDial', options, AUTO_DIAL_OPTIONS)
  checkOptionNumbers('dialer/bad-option', 'dialer.autoDial', options, AUTO_DIAL_LEAST)
  for (const [name, counts] of Object.entries({ perTag, perProtocol })) {
    const least = Object.fromEntries(Object.keys(counts).map((key) => [key, 0]))
    checkOptionNumbers('dialer/bad-option', `dialer.autoDial.${name}`, counts, least)
  }
}
