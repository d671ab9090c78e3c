/** A connected, ordered stream of bytes: a TCP socket, or a virtual one. */
export interface ByteStream {
  readonly remote: { readonly host: string; readonly port: number }
  /** Set once by the owner, before the first turn of the event loop passes. `chunk` is the receiver's to keep. */
  handler: ByteStreamHandler | undefined
  /** Bytes that were written and have not left this process, as far as is known. */
  readonly queuedBytes: number
  /** Writes the pieces as one, at once, or queues them. @returns False when the other end is behind: wait for `onDrain`. */
  write(...pieces: readonly Uint8Array[]): boolean
  /** Stop delivering data. */
  pause(): void
  /** Go on delivering data. */
  resume(): void
  /** Writes what is queued, then closes. */
  end(): void
  /** Closes at once. */
  destroy(): void
}

/** What happens on a {@link ByteStream}. Called on the hot path; must not throw. */
export interface ByteStreamHandler {
  onData(chunk: Uint8Array): void
  onDrain(): void
  /** Once, whatever ended it. */
  onClose(error?: Error): void
}
