/**
 * Why a devp2p connection ends, with the numbers of the wire.
 *
 * @see devp2p/rlpx.md § Disconnect (0x01)
 */
const CODES = {
  requested: 0x00,
  'tcp-error': 0x01,
  'breach-of-protocol': 0x02,
  'useless-peer': 0x03,
  'too-many-peers': 0x04,
  'already-connected': 0x05,
  'incompatible-version': 0x06,
  'null-identity': 0x07,
  'client-quitting': 0x08,
  'unexpected-identity': 0x09,
  'connected-to-self': 0x0a,
  'ping-timeout': 0x0b,
  'subprotocol-error': 0x10,
} as const

/** A reason by name. */
export type DisconnectReason = keyof typeof CODES

const REASONS = new Map<number, DisconnectReason>(disconnectReasons().map((reason) => [CODES[reason], reason]))

/**
 * Names the method by which a connection can be ended with a reason. Transports whose protocol carries reasons (RLPx) put it on the
 * `Connection`; where it is absent, the connection is just closed.
 */
export const disconnectSymbol: unique symbol = Symbol.for('@kumiko/disconnect')

/** A connection that can tell its remote why it ends. */
export interface Disconnectable {
  /** Tells the remote why and closes. Idempotent, does not throw; the connection's `close` event says when it has ended. */
  [disconnectSymbol](reason: DisconnectReason): void
}

/** Tells whether a connection can be ended with a reason. */
export function isDisconnectable(value: object): value is Disconnectable {
  return disconnectSymbol in value && typeof value[disconnectSymbol] === 'function'
}

/** All reasons, in the order of their numbers. */
export function disconnectReasons(): DisconnectReason[] {
  return Object.keys(CODES) as DisconnectReason[]
}

/** The number of a reason on the wire. */
export function disconnectCode(reason: DisconnectReason): number {
  return CODES[reason]
}

/** The reason with a number, or undefined where the specification has none. */
export function disconnectReason(code: number): DisconnectReason | undefined {
  return REASONS.get(code)
}
