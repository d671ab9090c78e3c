/** Where a gRPC server is. */
export interface Endpoint {
  /** `host:port`, IPv6 as `[::1]:port`. */
  readonly address: string
  /** Certificates in PEM of the TLS CAs that may vouch for it. Undefined: without TLS. */
  readonly tlsRoots?: readonly Uint8Array[]
  /** The name that its certificate must have, in place of the address's host. */
  readonly serverNameOverride?: string
}
