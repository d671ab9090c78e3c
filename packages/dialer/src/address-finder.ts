import { dnsNameOf, type Lookup, resolveAddress, stackOf, withPeer } from '@kumiko/identity'
import { type Clock, type HostComponents, KumikoError, type Millis, type Stack } from '@kumiko/interface'
import type { Peer, PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { AddressHistory } from './address-history.ts'
import { lastGoodOf } from './dial-record.ts'
import { dnsaddrNameOf, resolveDnsaddr } from './dnsaddr.ts'
import { NameLookups } from './name-lookups.ts'
import { RACE_ADDRESSES_MAX } from './race.ts'
import { type KnownAddress, type Rank, rankAddresses, type ScheduledAddress } from './rank.ts'
import type { AddressRefusal, DialRules } from './rules.ts'
import type { SharedDial } from './shared-dial.ts'
import type { ResolveTxt } from './system-txt.ts'
import { within } from './within.ts'

/** Names are waited for so long where other addresses are known. @see RFC 8305 § 3: Resolution Delay */
const RESOLUTION_DELAY_MS: Millis = 50

/** Addresses of one peer that are looked at, the best first; those behind are passed over. */
const KNOWN_MAX = 64

/** What a finder is made of. */
export interface AddressFinderOptions {
  readonly components: Pick<HostComponents, 'peerStore' | 'peerRouting'>
  readonly clock: Clock
  readonly rules: DialRules
  readonly history: AddressHistory
  readonly lookup: Lookup
  readonly resolveTxt: ResolveTxt
  readonly rank: Rank
}

/** The addresses that a dial is to try. */
export interface FoundAddresses {
  /** Best first, with rising delays; at least one and at most {@link RACE_ADDRESSES_MAX}. */
  readonly addresses: ScheduledAddress[]
  /** Others, whose names are still being looked up. Never fails. */
  readonly later?: Promise<ScheduledAddress[]>
  /** Nobody waits for the others any longer. */
  readonly cancel: () => void
}

/** Finds out which addresses a dial is to try, and when. */
export class AddressFinder {
  readonly #options: AddressFinderOptions

  constructor(options: AddressFinderOptions) {
    this.#options = options
  }

  /**
   * Finds the addresses to try. Those with a name are waited for only a moment where others are known already.
   *
   * @param given - Empty: those that are known of the peer.
   * @throws KumikoError `dialer/denied`, `dialer/banned`, `dialer/no-room`, `dialer/no-addresses`, or the signal's reason.
   */
  async find(dial: SharedDial, given: readonly Multiaddr[], signal: AbortSignal): Promise<FoundAddresses> {
    const { peerId } = dial.goal
    if (peerId !== undefined) await this.#checkPeer(peerId, dial.goal.stack)
    const isGiven = given.length > 0 || peerId === undefined
    const known = isGiven ? given.map(uncertified) : (await this.#known(peerId, dial, signal)).filter(isElsewhere)
    const best = rankAddresses(known).slice(0, KNOWN_MAX)
    const named = best.filter(hasName)
    const direct = best.filter((each) => !hasName(each))
    const judged = await Promise.all(direct.map(async (each) => await this.#judge(each, dial)))
    if (named.length === 0) return { addresses: this.#schedule(judged, dial), cancel: () => {} }
    return await this.#withNames(named, judged, dial, signal)
  }

  async #withNames(
    named: readonly KnownAddress[],
    judged: readonly JudgedAddress[],
    dial: SharedDial,
    signal: AbortSignal,
  ): Promise<FoundAddresses> {
    const controller = new AbortController()
    const cancel = (): void => controller.abort(new KumikoError('dialer/lost', 'another address was faster'))
    const names = new NameLookups({ ...this.#options, signal: AbortSignal.any([signal, controller.signal]) })
    const judging = Promise.all(named.map(async (each) => await this.#judgeNamed(each, dial, names))).then((all) => all.flat())
    const isNeeded = judged.every(({ why }) => why !== undefined)
    if (isNeeded || (await this.#isSoon(judging, signal))) {
      return { addresses: this.#schedule([...judged, ...(await judging)], dial), cancel }
    }
    const addresses = this.#schedule(judged, dial)
    const texts = new Set(addresses.map(textOf))
    const late = judging.then((found) => this.#schedule(found, dial).filter((each) => !texts.has(textOf(each))))
    return { addresses, later: late.catch(() => []), cancel }
  }

  /** @throws the signal's reason. */
  async #isSoon(work: Promise<unknown>, signal: AbortSignal): Promise<boolean> {
    try {
      await within({ clock: this.#options.clock, timeoutMs: RESOLUTION_DELAY_MS, signal }, async () => await work)
      return true
    } catch {
      signal.throwIfAborted()
      return false
    }
  }

  /** @throws KumikoError `dialer/banned`, `dialer/denied`, `dialer/no-room`. */
  async #checkPeer(peerId: PeerId, stack: Stack | undefined): Promise<void> {
    const { rules } = this.#options
    const why = await rules.refusePeer(peerId)
    if (why !== undefined) throw new KumikoError(`dialer/${why}`, `peer ${peerId} is not to be dialed: ${why}`)
    const refusal = stack === undefined ? undefined : rules.refuseRoom(peerId, stack)
    if (refusal === undefined) return
    const { reason, detail } = refusal
    throw new KumikoError('dialer/no-room', `a connection to ${peerId} would be refused: ${detail}`, { context: { reason } })
  }

  /** What the peer store knows, or, for a dial that was asked for, what peer routing finds. */
  async #known(peerId: PeerId, { goal: { stack }, manner }: SharedDial, signal: AbortSignal): Promise<readonly KnownAddress[]> {
    const { peerStore, peerRouting } = this.#options.components
    const peer = await peerStore.get(peerId, { signal }).catch(() => undefined)
    const stored = peer === undefined ? [] : storedAddresses(peer)
    // Of a peer that is known by its other stack, nothing is known yet.
    if (stored.some(({ multiaddr }) => stack === undefined || stackOf(multiaddr) === stack)) return stored
    const found = manner.maySearch ? await peerRouting.findPeer(peerId, { signal }).catch(() => undefined) : undefined
    return found?.multiaddrs.map(uncertified) ?? stored
  }

  async #judge(known: KnownAddress, { goal: { peerId, stack } }: SharedDial, place: Multiaddr = known.multiaddr): Promise<JudgedAddress> {
    return { known, why: await this.#options.rules.refuseAddress(place, peerId, stack) }
  }

  /** What the rules say of an address with a name, and of each that it leads to: that may be anywhere. */
  async #judgeNamed(known: KnownAddress, dial: SharedDial, names: NameLookups): Promise<JudgedAddress[]> {
    if (dnsaddrNameOf(known.multiaddr) === undefined) return await this.#judgeByName(known, dial, names)
    const led = (await resolveDnsaddr(known.multiaddr, names.txt)).map(uncertified).filter(isElsewhere)
    if (led.length === 0) return [{ known, why: 'unresolved' }]
    return (await Promise.all(led.map(async (each) => await this.#judgeByName(each, dial, names)))).flat()
  }

  async #judgeByName(known: KnownAddress, dial: SharedDial, names: NameLookups): Promise<JudgedAddress[]> {
    const judged = await this.#judge(known, dial)
    if (judged.why !== undefined || dnsNameOf(known.multiaddr) === undefined) return [judged]
    const resolved = await resolveAddress(known.multiaddr, names.ips)
    if (resolved.length === 0) return [{ known, why: 'unresolved' }]
    const all = await Promise.all(
      resolved.map(async ({ address, place }) => await this.#judge({ ...known, multiaddr: address }, dial, place)),
    )
    // Dialed by its name, it may lead to any of its IPs.
    const isDeniedByName = all.some((each) => each.known.multiaddr === known.multiaddr && each.why !== undefined)
    return isDeniedByName ? all.filter((each) => each.why !== undefined) : all
  }

  /** With the peer, and with what dials have told of each. What is in back-off is left out where nobody asked for the dial and others are left. */
  #remembered(usable: readonly KnownAddress[], { goal: { peerId }, manner }: SharedDial): KnownAddress[] {
    const { history, clock } = this.#options
    const now = clock.now()
    const all = usable.map((known) => {
      const address = peerId === undefined ? known.multiaddr : withPeer(known.multiaddr, peerId)
      const text = address.toString()
      const hasFailedLately = !manner.isForced && history.isBackedOff(text, now)
      const lastSuccess = history.isUnknown(text) ? known.lastSuccess : history.lastSuccess(text)
      return { ...known, multiaddr: address, lastSuccess, hasFailedLately }
    })
    const fresh = manner.isAsked ? all : all.filter(({ hasFailedLately }) => !hasFailedLately)
    return fresh.length > 0 ? fresh : all
  }

  /**
   * Those that are usable, in their turn. A ranking may be anyone's.
   *
   * @throws KumikoError `dialer/no-addresses`, `dialer/denied`.
   */
  #schedule(judged: readonly JudgedAddress[], dial: SharedDial): ScheduledAddress[] {
    const usable = judged.flatMap(({ known, why }) => (why === undefined ? [known] : []))
    const ranked = this.#options.rank(this.#remembered(usable, dial)).map((each) => ({ ...each, delayMs: Math.max(0, each.delayMs) || 0 }))
    if (ranked.length === 0) throw noAddresses(judged)
    return ranked.sort((a, b) => a.delayMs - b.delayMs).slice(0, RACE_ADDRESSES_MAX)
  }
}

/** An address and why it is not tried, if it is not. */
interface JudgedAddress {
  readonly known: KnownAddress
  readonly why: AddressRefusal | undefined
}

/** A socket in the file system is only dialed where our caller named it: a remote could name any that is open to us. */
function isElsewhere({ multiaddr }: KnownAddress): boolean {
  return multiaddr.getComponents()[0]?.name !== 'unix'
}

function hasName({ multiaddr }: KnownAddress): boolean {
  return dnsaddrNameOf(multiaddr) !== undefined || dnsNameOf(multiaddr) !== undefined
}

function textOf({ multiaddr }: KnownAddress): string {
  return multiaddr.toString()
}

function uncertified(multiaddr: Multiaddr): KnownAddress {
  return { multiaddr, isCertified: false }
}

function storedAddresses(peer: Peer): KnownAddress[] {
  const good = lastGoodOf(peer)
  return peer.addresses.map((known) => ({
    ...known,
    lastSuccess: good !== undefined && withPeer(known.multiaddr, peer.id).equals(good.address) ? good.at : undefined,
  }))
}

function addressRefused({ known: { multiaddr }, why }: JudgedAddress): KumikoError {
  return new KumikoError('dialer/address-refused', `${multiaddr}: ${why}`, { context: { address: multiaddr.toString(), why } })
}

/** Addresses that cannot be dialed do not count where the gater denied the others. */
const CANNOT: ReadonlySet<AddressRefusal | undefined> = new Set(['undialable', 'unresolved', 'wrong-stack', 'wrong-peer', 'own'])

function noAddresses(judged: readonly JudgedAddress[]): KumikoError {
  const errors = judged.map(addressRefused)
  const why = errors.length === 0 ? 'none is known' : errors.map(({ message }) => message).join('; ')
  const others = judged.filter((each) => !CANNOT.has(each.why))
  const isDenied = others.length > 0 && others.every((each) => each.why === 'denied')
  const [code, what] = isDenied ? ['dialer/denied', 'the gater denies all addresses'] : ['dialer/no-addresses', 'no address to dial']
  return new KumikoError(code, `${what}: ${why}`, { cause: new AggregateError(errors, why) })
}
