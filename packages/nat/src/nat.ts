import {
  type Cancel,
  type Clock,
  checkOptionNames,
  type Fault,
  type HostComponents,
  type Identity,
  type IpFamily,
  optionalComponent,
  type Part,
  systemClock,
  type UdpEndpoint,
} from '@kumiko/interface'
import type { ComponentLogger, Libp2pEvents, Startable, TypedEventTarget } from '@libp2p/interface'
import type { AddressManager, TransportManager } from '@libp2p/interface-internal'
import { Announcement, type PublicPort } from './announcement.ts'
import { findGateway } from './find.ts'
import { formatNat, type NatMethod, parseNat } from './method.ts'
import { type OwnPort, ownPorts } from './ports.ts'
import { machine, type Surroundings } from './surroundings.ts'
import { Upkeep } from './upkeep.ts'

/** Options of {@link nat}. */
export interface NatOptions {
  /** As go-ethereum's `--nat`: `none`, `any`, `upnp`, `pmp[:IP]`, `pcp[:IP]`, `stun[:HOST:PORT]`, `extip:IP`. Default `any`. */
  readonly how?: string
  /** Discovery's socket, whose IPv4 port is mapped. Default: the `udp` port that our record has when it is first seen there. */
  readonly udp?: { local(family: IpFamily): UdpEndpoint | undefined }
}

/** What NAT needs. The last two may be missing, as in a vanilla js-libp2p node. */
export interface NatComponents {
  readonly addressManager: AddressManager
  readonly transportManager: TransportManager
  readonly events: TypedEventTarget<Libp2pEvents>
  readonly logger: ComponentLogger
  readonly identity?: Identity
  readonly clock?: Clock
}

/** Port mapping at a glance. */
export interface NatStatus {
  /** As {@link NatOptions.how}. */
  readonly how: string
  /** `UPnP 192.168.1.1:5000`; undefined while none is found. */
  readonly gateway: string | undefined
  /** Ours, as the gateway tells it, also where it is of no use to others. */
  readonly externalIp: string | undefined
  readonly mappings: readonly { readonly protocol: 'tcp' | 'udp'; readonly internalPort: number; readonly externalPort: number }[]
  /** Why not all that should be is mapped; undefined where all is. */
  readonly fault: Fault | undefined
}

/** Maps ports, and learns our address outside. */
export interface Nat extends Startable {
  status(): NatStatus
}

/** Ports open and close with these. */
const EVENTS = ['transport:listening', 'transport:close'] as const

const OPTIONS: Readonly<Record<keyof NatOptions, true>> = { how: true, udp: true }

/**
 * Makes our ports reachable from outside, and tells the node record and libp2p's address manager where that is. What fails is logged and tried
 * again later; it never keeps the node from starting.
 *
 * @throws KumikoError `nat/bad-method`, `nat/bad-option`.
 */
export function nat(options: NatOptions = {}): Part<Nat, NatComponents> {
  checkOptionNames('nat/bad-option', 'nat', options, OPTIONS)
  const method = parseNat(options.how ?? 'any')
  return (components) => new NatService(components, method, options.udp, machine)
}

/** The service, on a network that may be another than the machine's. */
export class NatService implements Nat {
  readonly #components: NatComponents
  readonly #method: NatMethod
  readonly #udp: NatOptions['udp']
  readonly #surroundings: Surroundings
  #running: { readonly upkeep: Upkeep; readonly quiet: Cancel } | undefined
  /** Discovery's port as it was first in our record: what stands there later may be a port outside. */
  #recordUdp: number | undefined
  /** As when the record changed last. */
  #lastPorts = ''

  constructor(components: NatComponents, method: NatMethod, udp: NatOptions['udp'], surroundings: Surroundings) {
    this.#components = components
    this.#method = method
    this.#udp = udp
    this.#surroundings = surroundings
  }

  start(): void {
    const method = this.#method
    if (this.#running !== undefined || method.how === 'none') return
    const clock = optionalComponent(this.#components as Partial<HostComponents>, 'clock') ?? systemClock
    const record = this.#identity?.record
    const { addressManager, transportManager, events, logger } = this.#components
    const upkeep = new Upkeep({
      clock,
      log: logger.forComponent('kumiko:nat'),
      randomBytes: this.#surroundings.randomBytes,
      announcement: new Announcement({ addressManager, transportManager, record }),
      knownIp: method.how === 'extip' ? method.ip : undefined,
      ports: () => this.#ports(),
      find: (signal) => findGateway(clock, this.#surroundings, method, signal),
    })
    const changed = (): void => upkeep.changed()
    const unsubscribe = record?.subscribe(() => this.#recordChanged(changed))
    for (const event of EVENTS) events.addEventListener(event, changed)
    const quiet = (): void => {
      unsubscribe?.()
      for (const event of EVENTS) events.removeEventListener(event, changed)
    }
    this.#running = { upkeep, quiet }
    this.#lastPorts = JSON.stringify(this.#ports())
    changed()
  }

  async stop(): Promise<void> {
    const running = this.#running
    this.#running = undefined
    running?.quiet()
    await running?.upkeep.stop()
  }

  status(): NatStatus {
    const { gateway, externalIp, ports = [], fault } = this.#running?.upkeep.state ?? {}
    const mappings = ports.map(({ protocol, port, externalPort }: PublicPort) => ({ protocol, internalPort: port, externalPort }))
    return { how: formatNat(this.#method), gateway, externalIp, mappings, fault }
  }

  get #identity(): Identity | undefined {
    return optionalComponent(this.#components as Partial<HostComponents>, 'identity')
  }

  #ports(): OwnPort[] {
    const listening = this.#components.transportManager.getAddrs()
    if (this.#udp !== undefined) return ownPorts(listening, this.#udp.local(4))
    this.#recordUdp ??= this.#identity?.record.node.endpoints.find(({ udp }) => udp !== undefined)?.udp
    const [first] = ownPorts(listening, undefined)
    return first === undefined || this.#recordUdp === undefined
      ? ownPorts(listening, undefined)
      : ownPorts(listening, { ip: first.ip, port: this.#recordUdp })
  }

  /** Our own changes are of no interest: what matters is that discovery has opened or closed its port. */
  #recordChanged(changed: () => void): void {
    const ports = JSON.stringify(this.#ports())
    if (ports === this.#lastPorts) return
    this.#lastPorts = ports
    changed()
  }
}
