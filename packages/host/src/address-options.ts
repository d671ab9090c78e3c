import { registerRlpx } from '@kumiko/identity'
import { checkOptionNames, type Millis } from '@kumiko/interface'
import { isMultiaddr, type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { AddressManagerInit } from './address-manager.ts'
import { badOption } from './options.ts'

/** Where a Host listens, and what it tells others of it. Addresses are multiaddrs or their text. */
export interface AddressOptions {
  /** `/ip4/0.0.0.0/tcp/30303/rlpx`, `/ip4/0.0.0.0/tcp/4001`; port 0 takes a free one. Default: none. */
  readonly listen?: readonly (string | Multiaddr)[]
  /** Told in place of what we listen on, of what others see of us and of what routers forward. Default: none. */
  readonly announce?: readonly (string | Multiaddr)[]
  /** Told besides. Default: none. */
  readonly appendAnnounce?: readonly (string | Multiaddr)[]
  /** Never told. Default: none. */
  readonly noAnnounce?: readonly (string | Multiaddr)[]
  /** Picks from what is told: nothing, where it throws. Default: all. */
  readonly announceFilter?: AddressFilter
  /** go-libp2p's `AddrsFactory`: is given what would be told, and returns what is. Default: the same. */
  readonly addressFactory?: AddressFilter
  /** Addresses that others say they see of us: so many are remembered. Default 32. */
  readonly maxObservedAddresses?: number
  /** How long a confirmation need not be asked for again. Default 600,000. */
  readonly addressVerificationTTL?: Millis
  /** How long an address that failed need not be tried again. Default 300,000. */
  readonly addressVerificationRetry?: Millis
}

/** Makes a list of addresses of another. */
export type AddressFilter = (addresses: Multiaddr[]) => Multiaddr[]

const ADDRESSES: Readonly<Record<keyof AddressOptions, true>> = {
  listen: true,
  announce: true,
  appendAnnounce: true,
  noAnnounce: true,
  announceFilter: true,
  addressFactory: true,
  maxObservedAddresses: true,
  addressVerificationTTL: true,
  addressVerificationRetry: true,
}

/** Reads the addresses. @throws KumikoError `host/bad-option`, naming the address. */
export function readAddresses(options: AddressOptions = {}): AddressManagerInit {
  checkOptionNames('host/bad-option', 'addresses', options, ADDRESSES)
  const { announceFilter = same, addressFactory = same, maxObservedAddresses = 32 } = options
  const { addressVerificationTTL = 600_000, addressVerificationRetry = 300_000 } = options
  registerRlpx()
  return {
    listen: readList('addresses.listen', options.listen),
    announce: readList('addresses.announce', options.announce),
    appendAnnounce: readList('addresses.appendAnnounce', options.appendAnnounce),
    noAnnounce: readList('addresses.noAnnounce', options.noAnnounce),
    announceFilter: (addresses) => addressFactory(announceFilter(addresses)),
    observedMax: maxObservedAddresses,
    confirmedMs: addressVerificationTTL,
    refutedMs: addressVerificationRetry,
  }
}

function same(addresses: Multiaddr[]): Multiaddr[] {
  return addresses
}

function readList(option: string, addresses: readonly (string | Multiaddr)[] = []): Multiaddr[] {
  return addresses.map((address, index) => {
    if (isMultiaddr(address)) return address
    try {
      return multiaddr(address)
    } catch (cause) {
      throw badOption(`${option}[${index}]`, `${JSON.stringify(address)} is no multiaddr: write it as /ip4/0.0.0.0/tcp/30303/rlpx`, cause)
    }
  })
}
