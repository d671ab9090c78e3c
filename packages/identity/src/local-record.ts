import {
  type Cancel,
  type Clock,
  type EnrEntries,
  type IpFamily,
  KumikoError,
  type LocalRecord,
  type Millis,
  type NodeRecord,
  systemClock,
} from '@kumiko/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Datastore } from 'interface-datastore'
import { checkEnrSize, enrSizeBytes, signEnr } from './enr.ts'
import { fitEnrMultiaddrs, MULTIADDRS_KEY, tellableMultiaddrs } from './enr-multiaddrs.ts'
import { toHex } from './hex.ts'
import { formatIp, parseIp } from './ip.ts'
import { IpTracker, type SeenEndpoint } from './ip-tracker.ts'
import { ipScope } from './net.ts'
import { nodeFromEnr } from './node.ts'
import { encodeRlp } from './rlp.ts'
import { datastoreSeqStore, memorySeqStore, type SeqStore, Sequence } from './sequence.ts'

/** Options of {@link localRecord}. */
export interface LocalRecordOptions {
  /** 32 bytes. */
  readonly secretKey: Uint8Array
  readonly clock?: Clock
  /** Where the sequence number is kept. Default: nowhere; a restart then begins with the time. */
  readonly seqStore?: SeqStore | Datastore
}

/**
 * Our own node record. Changes are seen in `node` at once; listeners hear of them once a tick, and the sequence number goes up once for
 * all that changed together. Should the store be behind by more than 32 changes, the record stays as it is until the store catches up:
 * a number that may have been given out before is never used.
 *
 * @throws What the store throws.
 */
export async function localRecord({ secretKey, clock = systemClock, seqStore }: LocalRecordOptions): Promise<LocalRecord> {
  const store = seqStore === undefined ? memorySeqStore : 'load' in seqStore ? seqStore : datastoreSeqStore(seqStore)
  return new LiveRecord(secretKey, clock, await Sequence.open(store, clock.now()))
}

/** What we know of ourselves in one IP family. */
interface Side {
  staticIp: Uint8Array | undefined
  fallbackIp: Uint8Array | undefined
  fallbackUdp: number | undefined
  tcp: number | undefined
  udp: number | undefined
  readonly tracker: IpTracker
  /** What the last statement made of it. */
  seen: SeenEndpoint | undefined
}

class LiveRecord implements LocalRecord {
  readonly #secretKey: Uint8Array
  readonly #clock: Clock
  readonly #sequence: Sequence
  readonly #sides: Readonly<Record<IpFamily, Side>> = { 4: emptySide(), 6: emptySide() }
  /** A listener each; as many as subscribe. */
  readonly #listeners = new Set<(node: NodeRecord) => void>()
  /** Entries of our callers; bounded by the record's 300 bytes. */
  #entries: EnrEntries = {}
  /** Best first. At most 16. */
  #multiaddrs: readonly Multiaddr[] = []
  #node: NodeRecord
  #content = ''
  #isStale = false
  #isQueued = false
  #isNoticeDue = false

  constructor(secretKey: Uint8Array, clock: Clock, sequence: Sequence) {
    this.#secretKey = secretKey
    this.#clock = clock
    this.#sequence = sequence
    this.#node = nodeFromEnr(signEnr(secretKey, sequence.take() ?? 0n, {}))
    sequence.onReady = () => this.#change()
  }

  get node(): NodeRecord {
    this.#renew()
    return this.#node
  }

  get seq(): bigint {
    return this.node.seq
  }

  setEntries(entries: EnrEntries): void {
    const all = Object.fromEntries(Object.entries({ ...this.#entries, ...entries }).filter(([, value]) => value !== undefined))
    for (const key of ['id', 'secp256k1']) {
      if (key in entries)
        throw new KumikoError('identity/reserved-entry', `the entry "${key}" of the node record is the key's own: leave it out`)
    }
    checkEnrSize(enrSizeBytes({ ...LARGEST_ENDPOINTS, ...all }))
    this.#entries = all
    this.#change()
  }

  setMultiaddrs(addresses: readonly Multiaddr[]): void {
    this.#multiaddrs = tellableMultiaddrs(addresses, this.#node.peerId)
    this.#change()
  }

  setStaticIp(family: IpFamily, ip: string | undefined): void {
    this.#sides[family].staticIp = ipOf(family, ip)
    this.#change()
  }

  setFallback(family: IpFamily, ip: string | undefined, udp?: number): void {
    const fallbackIp = ipOf(family, ip)
    const fallbackUdp = portOf(udp)
    Object.assign(this.#sides[family], { fallbackIp, fallbackUdp })
    this.#change()
  }

  setPorts(family: IpFamily, ports: { readonly tcp?: number | undefined; readonly udp?: number | undefined }): void {
    const side = this.#sides[family]
    const tcp = 'tcp' in ports ? portOf(ports.tcp) : side.tcp
    const udp = 'udp' in ports ? portOf(ports.udp) : side.udp
    Object.assign(side, { tcp, udp })
    this.#change()
  }

  statement(from: string, endpoint: { readonly ip: string; readonly udp: number }, now: Millis): void {
    const [ip, remote] = [parseIp(endpoint.ip), parseIp(from)]
    // Over one family nobody sees our address in the other.
    if (ip === undefined || ipScope(ip) === 0 || !isPort(endpoint.udp) || remote?.length !== ip.length) return
    const side = this.#sides[familyOf(ip)]
    side.tracker.addStatement(voterOf(remote), { ip: formatIp(ip), udp: endpoint.udp }, now)
    const seen = side.tracker.predictEndpoint(now)
    if (seen?.ip === side.seen?.ip && seen?.udp === side.seen?.udp) return
    side.seen = seen
    this.#change()
  }

  contact(to: string, now: Millis): void {
    const ip = parseIp(to)
    if (ip !== undefined) this.#sides[familyOf(ip)].tracker.addContact(voterOf(ip), now)
  }

  subscribe(listener: (node: NodeRecord) => void): Cancel {
    const own = (node: NodeRecord): void => listener(node)
    this.#listeners.add(own)
    return () => {
      this.#listeners.delete(own)
    }
  }

  #change(): void {
    this.#isStale = true
    if (this.#isQueued) return
    this.#isQueued = true
    queueMicrotask(() => {
      this.#isQueued = false
      this.#notify()
    })
  }

  /** Signs the record anew where its content is another. */
  #renew(): void {
    if (!this.#isStale) return
    const entries = this.#entriesNow()
    const content = contentKey(entries)
    if (content !== this.#content) {
      const seq = this.#sequence.take()
      if (seq === undefined) return
      this.#node = nodeFromEnr(signEnr(this.#secretKey, seq, entries))
      this.#content = content
      this.#isNoticeDue = true
    }
    this.#isStale = false
  }

  #notify(): void {
    this.#renew()
    if (!this.#isNoticeDue) return
    this.#isNoticeDue = false
    // Each on its own: one that throws keeps no other from hearing.
    for (const listener of this.#listeners) queueMicrotask(() => listener(this.#node))
  }

  #entriesNow(): EnrEntries {
    const now = this.#clock.now()
    const [ip4, ip6] = [endpointOf(this.#sides[4], now), endpointOf(this.#sides[6], now)]
    const others: EnrEntries = {
      ...entryOf('ip', ip4.ip),
      ...entryOf('tcp', this.#sides[4].tcp),
      ...entryOf('udp', ip4.udp),
      ...entryOf('ip6', ip6.ip),
      ...entryOf('tcp6', this.#sides[6].tcp === this.#sides[4].tcp ? undefined : this.#sides[6].tcp),
      ...entryOf('udp6', ip6.udp === ip4.udp ? undefined : ip6.udp),
      ...this.#entries,
    }
    return MULTIADDRS_KEY in others ? others : { ...others, ...fitEnrMultiaddrs(this.#multiaddrs, others) }
  }
}

/** Room for these is kept, so that no address that is learned later can push the record over its limit. */
const LARGEST_ENDPOINTS: EnrEntries = {
  ...entryOf('ip', new Uint8Array(4)),
  ...entryOf('ip6', new Uint8Array(16)),
  ...Object.assign({}, ...['tcp', 'tcp6', 'udp', 'udp6'].map((key) => entryOf(key, 65535))),
}

function emptySide(): Side {
  return {
    staticIp: undefined,
    fallbackIp: undefined,
    fallbackUdp: undefined,
    tcp: undefined,
    udp: undefined,
    tracker: new IpTracker(),
    seen: undefined,
  }
}

/** Static beats predicted beats fallback. @see go-ethereum p2p/enode, LocalNode */
function endpointOf(side: Side, now: Millis): { ip: Uint8Array | undefined; udp: number | undefined } {
  const seen = side.staticIp === undefined ? side.tracker.predictEndpoint(now) : undefined
  const ip = side.staticIp ?? (seen === undefined ? side.fallbackIp : parseIp(seen.ip))
  return { ip: ip !== undefined && ipScope(ip) > 0 ? ip : undefined, udp: seen?.udp ?? side.udp ?? side.fallbackUdp }
}

function entryOf(key: string, value: Uint8Array | number | undefined): EnrEntries {
  return value === undefined ? {} : { [key]: encodeRlp(value) }
}

function contentKey(entries: EnrEntries): string {
  const pairs = Object.entries(entries).map(([key, value]) => `${key}=${value === undefined ? '' : toHex(value)}`)
  return pairs.sort().join()
}

/**
 * Who is counted once: a network as the node tables of discovery count them, IPv4 /24 and IPv6 /32; within our own site, an address. Whoever has a
 * network for himself has one vote.
 */
function voterOf(ip: Uint8Array): string {
  return formatIp(ipScope(ip) < 4 ? ip : ip.map((byte, index) => (index < (ip.length === 4 ? 3 : 4) ? byte : 0)))
}

function familyOf(ip: Uint8Array): IpFamily {
  return ip.length === 4 ? 4 : 6
}

function ipOf(family: IpFamily, text: string | undefined): Uint8Array | undefined {
  if (text === undefined) return undefined
  const ip = parseIp(text)
  if (ip !== undefined && familyOf(ip) === family) return ip
  throw new KumikoError('identity/bad-ip', `bad IP address "${text.slice(0, 60)}": want an IPv${family} address`, { context: { ip: text } })
}

/** Undefined for 0. */
function portOf(port: number | undefined): number | undefined {
  if (port === undefined || port === 0) return undefined
  if (isPort(port)) return port
  throw new KumikoError('identity/bad-port', `bad port ${port}: want a whole number within 0–65535`, { context: { port } })
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port > 0 && port <= 65535
}
