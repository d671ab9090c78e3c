import type { Connection } from '@libp2p/interface'

/** What has come over one connection since it was ready. */
export interface Received {
  bytes: number
}

const counts = new WeakMap<Connection, Received>()

/** Begins to count. The upgrader, which alone sees a connection's socket, adds what comes. */
export function countReceived(connection: Connection): Received {
  const received = { bytes: 0 }
  counts.set(connection, received)
  return received
}

/** Undefined for connections whose transport has a meter of its own: RLPx. */
export function receivedOver(connection: Connection): number | undefined {
  return counts.get(connection)?.bytes
}
