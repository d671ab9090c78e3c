import type { IpFamily } from './identity.ts'

/** Where a datagram comes from or goes to. */
export interface UdpEndpoint {
  /** In its canonical form, IPv4-mapped IPv6 as IPv4. */
  readonly ip: string
  /** 1–65535. */
  readonly port: number
}

/**
 * Is offered a datagram. Must not throw. It may keep the bytes, and must not write to them.
 *
 * @returns True where the datagram was of its protocol, even a faulty one: nobody else is offered it then.
 */
export type PacketReceiver = (packet: Uint8Array, from: UdpEndpoint) => boolean

/** One UDP socket that several protocols share: each datagram is offered to them in the order in which they came, until one claims it. */
export interface UdpSocket {
  /** One more protocol. The first binds the socket. @throws KumikoError `udp/listen-failed`, naming address and port. */
  open(receiver: PacketReceiver): Promise<UdpPort>
}

/** One protocol's share of a {@link UdpSocket}. */
export interface UdpPort {
  /** Where the socket is bound in a family; undefined where it does not serve that family. `ip` may be unspecified (`0.0.0.0`). */
  local(family: IpFamily): UdpEndpoint | undefined
  /**
   * Sends one datagram. Never throws; that one was lost is not told.
   *
   * @param packet - The socket's from now on: the caller must not write to it.
   * @returns False where it was dropped at once: too many wait, or the socket does not serve the family.
   */
  send(packet: Uint8Array, to: UdpEndpoint): boolean
  /** Ends this share, and the socket with the last one. Idempotent. */
  close(): Promise<void>
}
