import { type Clock, type Dialer, optionalComponent, systemClock, type VanillaComponents } from '@kumiko/interface'

/** What the connection manager needs of its node; the last three may be missing. */
export type ConnectionManagerNeeds = Pick<
  VanillaComponents,
  | 'peerId'
  | 'logger'
  | 'events'
  | 'peerStore'
  | 'peerRouting'
  | 'transportManager'
  | 'connectionGater'
  | 'datastore'
  | 'clock'
  | 'dialer'
  | 'capabilities'
>

/** The node's dialer, if it has one of ours. */
export function dialerOf(components: ConnectionManagerNeeds): Dialer | undefined {
  return optionalComponent(components, 'dialer')
}

/** The node's clock, or the system's. Looked for at each call, since it may be built after us. */
export function clockOf(components: ConnectionManagerNeeds): Clock {
  const clock = (): Clock => optionalComponent(components, 'clock') ?? systemClock
  return { now: () => clock().now(), at: (deadline, callback) => clock().at(deadline, callback) }
}
