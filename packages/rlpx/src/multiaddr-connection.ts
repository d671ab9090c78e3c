import { type Disconnectable, type DisconnectReason, disconnectSymbol } from '@kumiko/interface'
import type { Logger, MultiaddrConnection } from '@libp2p/interface'
import { AbstractMultiaddrConnection, type SendResult } from '@libp2p/utils'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { RlpxConnection } from './connection.ts'

/** An RLPx connection as libp2p's upgrader wants it. Its bytes are RLPx's own: nothing can be sent over it but through its capabilities. */
export function rlpxMultiaddrConnection(
  connection: RlpxConnection,
  remoteAddr: Multiaddr,
  log: Logger,
): MultiaddrConnection & Disconnectable {
  return new RlpxMultiaddrConnection(connection, remoteAddr, log)
}

class RlpxMultiaddrConnection extends AbstractMultiaddrConnection implements Disconnectable {
  readonly #connection: RlpxConnection

  constructor(connection: RlpxConnection, remoteAddr: Multiaddr, log: Logger) {
    super({ remoteAddr, direction: connection.direction, log })
    this.#connection = connection
    connection.onEnd(({ by, fault }) => {
      const isFailure = fault !== undefined && fault.fault !== 'rlpx/closed'
      if (isFailure) log('connection with %a ended by %s: %s %s', remoteAddr, by, fault.fault, fault.detail ?? '')
      this.onTransportClosed()
    })
  }

  [disconnectSymbol](reason: DisconnectReason): void {
    this.#connection.disconnect(reason)
  }

  sendData(): SendResult {
    throw new TypeError('RLPx carries messages of capabilities only')
  }

  sendReset(): void {
    this.#connection.destroy()
  }

  /** Waits until the remote has read why, at most 2 s: then nothing of the socket is left. */
  async sendClose(): Promise<void> {
    this.#connection.disconnect('requested')
    await this.#connection.closed
  }

  sendPause(): void {}
  sendResume(): void {}
}
