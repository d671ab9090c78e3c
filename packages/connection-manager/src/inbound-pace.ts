import { isLan } from '@kumiko/identity'
import { checkOptionNames, checkOptionNumbers, type Millis, type Stack } from '@kumiko/interface'
import { siteOf } from './address.ts'
import { Throttle } from './throttle.ts'
import { type Rate, TokenBuckets } from './token-buckets.ts'

/** How often connections of the libp2p stack may come in. */
export interface InboundRate {
  /** From one IPv4 address or IPv6 /64. Default 5 a second, js-libp2p's. */
  readonly perIp?: Rate
  /** From anywhere, relays and this machine among it. Default: no bound. */
  readonly total?: Rate
}

/** How fast connections may come in. */
export interface InboundPaceOptions {
  /** How long an address waits between RLPx connections. 0: not at all. */
  readonly throttleMs: Millis
  readonly rate: InboundRate
  /** Hold what is counted by address for loopback and private networks, too. */
  readonly isLanThrottled: boolean
}

const PER_IP: Rate = { count: 5, intervalMs: 1_000 }
const ANY: Rate = { count: Number.POSITIVE_INFINITY, intervalMs: 1_000 }
const ALL = 'all'

/**
 * Keeps addresses from connecting too often: over RLPx once in a while, as go-ethereum does, over libp2p at a rate, since many of its nodes may
 * share an address. Neither counts against the other.
 */
export class InboundPace {
  readonly #throttle: Throttle
  readonly #perIp: TokenBuckets
  readonly #total: TokenBuckets
  readonly #isLanThrottled: boolean

  constructor({ throttleMs, rate, isLanThrottled }: InboundPaceOptions) {
    this.#throttle = new Throttle(throttleMs)
    this.#perIp = new TokenBuckets(rate.perIp ?? PER_IP)
    this.#total = new TokenBuckets(rate.total ?? ANY)
    this.#isLanThrottled = isLanThrottled
  }

  /** Who is counted for an address; undefined: nobody is. */
  siteOf(ip: string | undefined): string | undefined {
    return ip === undefined || (!this.#isLanThrottled && isLan(ip)) ? undefined : siteOf(ip)
  }

  /** Lets a connection in and counts it, or tells that it comes too soon. @param ip - Undefined: the address has none. */
  pass(stack: Stack, ip: string | undefined, now: Millis): boolean {
    const site = this.siteOf(ip)
    if (stack === 'rlpx') return site === undefined || this.#throttle.pass(site, now)
    if (!this.#total.has(ALL, now)) return false
    return (site === undefined || this.#perIp.take(site, now)) && this.#total.take(ALL, now)
  }
}

/** @throws KumikoError `connection-manager/bad-option`. */
export function checkInboundRate(rate: InboundRate): void {
  const code = 'connection-manager/bad-option'
  checkOptionNames(code, 'connectionManager.inboundRate', rate, { perIp: true, total: true })
  for (const [name, each] of Object.entries<Rate | undefined>({ ...rate })) {
    if (each === undefined) continue
    const of = `connectionManager.inboundRate.${name}`
    checkOptionNames(code, of, each, { count: true, intervalMs: true })
    const given: Partial<Rate> = each
    checkOptionNumbers(code, of, { count: Number.NaN, intervalMs: Number.NaN, ...given }, { count: 0, intervalMs: 1 })
  }
}
