import { libp2pNameOf } from './libp2p-names.ts'

/**
 * Misuse by our caller, or a failure that our caller must hear of. Catch by `code` or `instanceof`, never by message.
 *
 * What a remote did wrong is not thrown: it is returned as a {@link Fault}.
 */
export class KumikoError extends Error {
  /** What js-libp2p calls the same failure, for code that looks there; else `KumikoError`. */
  override readonly name: string
  /** Stable, `package/what`: `identity/bad-enode`. */
  readonly code: string
  /** What the error is about, by name: `{ path: 'data/nodekey' }`. Safe to print: never holds a secret. */
  readonly context: Readonly<Record<string, unknown>>

  /**
   * @param code - Stable, `package/what`.
   * @param message - One line: what, where, and how to mend it.
   */
  constructor(code: string, message: string, options: KumikoErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = libp2pNameOf(code) ?? 'KumikoError'
    this.code = code
    this.context = options.context ?? {}
  }
}

/** What a {@link KumikoError} may carry besides its code and message. */
export interface KumikoErrorOptions {
  readonly cause?: unknown
  readonly context?: Readonly<Record<string, unknown>>
}

/**
 * The `code` of what was thrown: `ENOENT` of the system, `LEVEL_LOCKED` of a library, ours; undefined where it has none. Not by `instanceof Error`: where
 * a test runs in a context of its own, as jest's do, the system's errors are of another `Error`.
 */
export function codeOf(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/**
 * A remote's breach, as a value. Decoders of network bytes return it instead of throwing.
 */
export interface Fault {
  /** Stable, `package/what`: `rlpx/bad-mac`. */
  readonly fault: string
  /** For the log only; may quote the remote, at most 200 characters. */
  readonly detail?: string
}

/** Tells a {@link Fault} from a decoded value. */
export function isFault(value: unknown): value is Fault {
  return typeof value === 'object' && value !== null && 'fault' in value && typeof value.fault === 'string'
}
