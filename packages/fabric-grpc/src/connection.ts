import { isIP, type Socket } from 'node:net'
import { checkServerIdentity, connect, createSecureContext, type SecureContext } from 'node:tls'
import { ChannelCredentials, credentials } from '@grpc/grpc-js'
import type { Endpoint } from './endpoint.ts'

/** Our certificate for servers that ask for one. */
export interface ClientTls {
  /** PEM; certificates of CAs may follow our own. */
  readonly certificate: Uint8Array
  /** PEM, not encrypted. */
  readonly privateKey: Uint8Array
}

/** How long the other side may take to end a connection that we ended. */
const LINGER_MS = 1000

type SecureConnector = ReturnType<ChannelCredentials['_createSecureConnector']>
type Connected = Awaited<ReturnType<SecureConnector['connect']>>

/**
 * How one channel of gRPC gets its one connection. gRPC's own way fails where TLS goes to an IP address, which Node takes for no server's name, and
 * keeps a socket whose other side says nothing when the channel is closed.
 *
 * Overrides members of `ChannelCredentials` that `@grpc/grpc-js` declares, but does not document: look here when that is updated.
 */
export class Connection extends ChannelCredentials {
  readonly #name: string
  readonly #context: SecureContext | undefined
  /** The outermost: of TLS, once that is begun. */
  #socket: Socket | undefined
  #isClosed = false

  /** @throws Error where a certificate cannot be read. */
  constructor(endpoint: Endpoint, clientTls: ClientTls | undefined) {
    super()
    this.#name = endpoint.serverNameOverride ?? hostOf(endpoint.address)
    this.#context = contextOf(endpoint, clientTls)
  }

  /**
   * Ends the connection. A TCP connection that was not answered yet is left to the system.
   * @param isReady - gRPC ends a connection that is ready, politely: then it has {@link LINGER_MS} for that, for the other side may not be polite.
   */
  close(isReady: boolean): void {
    this.#isClosed = true
    // Not at once: we may be called by what reads from the socket, and Node crashes where TLS goes while it reads.
    if (isReady) this.#linger()
    else setImmediate(() => this.#socket?.destroy())
  }

  override _isSecure(): boolean {
    return this.#context !== undefined
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other
  }

  override _createSecureConnector(): SecureConnector {
    return {
      connect: (socket) => this.#connect(socket),
      waitForReady: async () => {},
      getCallCredentials: () => credentials.createEmpty(),
      destroy: () => {},
    }
  }

  async #connect(tcp: Socket): Promise<Connected> {
    this.#keep(tcp)
    if (this.#context === undefined) return { socket: tcp, secure: false }
    const { promise, resolve, reject } = Promise.withResolvers<Connected>()
    const tls = connect({
      socket: tcp,
      secureContext: this.#context,
      ALPNProtocols: ['h2'],
      checkServerIdentity: (_, certificate) => checkServerIdentity(this.#name, certificate),
      ...(isIP(this.#name) === 0 && { servername: this.#name }),
    })
    this.#keep(tls)
    tls.once('secureConnect', () => resolve({ socket: tls, secure: true }))
    tls.once('error', reject)
    tls.once('close', () => reject(new Error('the connection was closed before TLS was done')))
    return await promise
  }

  #linger(): void {
    const socket = this.#socket
    const timer = setTimeout(() => socket?.destroy(), LINGER_MS).unref()
    socket?.once('close', () => clearTimeout(timer))
  }

  #keep(socket: Socket): void {
    this.#socket = socket
    // Stays: gRPC does not listen all the time, and an error that nobody hears ends the process.
    socket.on('error', () => {})
    if (this.#isClosed) socket.destroy()
  }
}

function contextOf({ address, tlsRoots }: Endpoint, clientTls: ClientTls | undefined): SecureContext | undefined {
  if (tlsRoots === undefined) return undefined
  // None at all would mean those of the system.
  if (tlsRoots.length === 0) throw new Error(`${address} has no TLS CA that may vouch for it`)
  const ca = tlsRoots.map((root) => Buffer.from(root))
  if (clientTls === undefined) return createSecureContext({ ca })
  return createSecureContext({ ca, cert: Buffer.from(clientTls.certificate), key: Buffer.from(clientTls.privateKey) })
}

function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1')
}
