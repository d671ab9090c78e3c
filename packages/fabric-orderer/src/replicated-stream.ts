/** A stream, and the servers that keep copies of it. */
export interface ReplicatedStream {
  /** For messages. */
  readonly name: string
  /** @returns Undefined where there is no such stream. @throws Where it cannot be asked for now. */
  state(): Promise<StreamState | undefined>
  /**
   * Opens the copy of one of the servers: of which, is chance.
   * @param from - The first entry that is asked for.
   * @throws Where that server is away.
   */
  open(from: bigint): Promise<StreamCopy>
}

/** What is told of a stream. */
export interface StreamState {
  /** Servers that are to keep it, whether they are there or not. */
  readonly replicas: number
  /** The entries that its leader has. */
  readonly first: bigint
  readonly last: bigint
  /** Those that keep it and are not known to be away. */
  readonly servers: readonly StreamServer[]
}

/** A server that keeps a stream. */
export interface StreamServer {
  readonly name: string
  /** It has what the leader has, and was heard of lately. */
  readonly isCurrent: boolean
}

/** What one server has of a stream. */
export interface StreamCopy {
  readonly server: string
  /** Its entries in order, then those to come: from where was asked for, or before it where the server has no more. Ends, or throws, when it is closed or its server goes. */
  messages(): AsyncIterable<CopiedMessage>
  /** Returns at once. */
  close(): void
}

/** An entry as a server has it. */
export interface CopiedMessage {
  readonly sequence: bigint
  /** Counts what this copy has sent, from 1 on: where one is left out, it was lost on its way. */
  readonly delivery: number
  readonly bytes: Uint8Array
}
