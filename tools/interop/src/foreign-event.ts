import type { Libp2pEvent } from './libp2p-event.ts'

/** What happened at a foreign peer. `peer` is a public key as in enode URLs: 128 hex digits. */
export type ForeignEvent =
  | RawEvent
  | Libp2pEvent
  | { readonly event: 'listening'; readonly enode: string; readonly record?: string; readonly secp256k1?: string }
  /** A TALKREQ of a protocol that it serves. */
  | { readonly event: 'talked'; readonly talk: string; readonly hex: string }
  /** Both Hellos are through and a capability is shared. `remote` is `host:port`. */
  | {
      readonly event: 'added'
      readonly peer: string
      readonly client: string
      readonly inbound: boolean
      readonly caps: readonly string[]
      readonly remote: string
    }
  /** An added peer is gone. `reason` is the number, ours or theirs; `requested`: the remote sent it. */
  | { readonly event: 'dropped'; readonly peer: string; readonly requested: boolean; readonly reason?: number; readonly error?: string }
  /** A connection that did not become a peer. `reason` may be theirs or ours. */
  | {
      readonly event: 'refused'
      readonly stage: 'handshake' | 'hello' | 'identity' | 'admission' | 'unknown'
      readonly inbound: boolean
      readonly reason?: number
      readonly error?: string
    }
  /** A ping was answered; @ethereumjs/devp2p only. */
  | { readonly event: 'pong'; readonly peer: string }
  /** A message with a code other than {@link SINK}. */
  | {
      readonly event: 'message'
      readonly peer: string
      readonly cap: string
      readonly code: number
      readonly size: number
      readonly sha256: string
    }

/** Events by name. */
export type ForeignEventOf<Name extends ForeignEvent['event']> = Extract<ForeignEvent, { event: Name }>

/** How a disconnect is written: `[reason]`, `reason`, nothing at all, `[]`. */
export type DisconnectForm = 'list' | 'bare' | 'empty' | 'empty-list'

/** What happened on the raw level, which only the Go peer has. `conn` numbers the connection. */
export type RawEvent =
  | { readonly event: 'rlpx-accepted'; readonly conn: number; readonly peer: string }
  /** An inbound handshake failed. */
  | { readonly event: 'rlpx-refused'; readonly error: string }
  | {
      readonly event: 'rlpx-hello'
      readonly conn: number
      readonly version: number
      readonly client: string
      readonly caps: readonly { readonly name: string; readonly version: number }[]
      readonly port: number
      /** 128 hex digits. */
      readonly nodeId: string
      /** How many fields follow those that the specification names. */
      readonly extra: number
    }
  | { readonly event: 'rlpx-bad-hello'; readonly conn: number; readonly error: string; readonly hex: string }
  | (RawMessage & { readonly event: 'rlpx-message' })
  | (RawMessage & { readonly event: 'rlpx-ping' })
  | (RawMessage & { readonly event: 'rlpx-pong' })
  | (RawMessage & { readonly event: 'rlpx-disconnect'; readonly form: DisconnectForm | 'invalid'; readonly reason?: number })
  | { readonly event: 'rlpx-closed'; readonly conn: number; readonly error: string }

/** One message as it came. */
export interface RawMessage {
  readonly conn: number
  /** With the offset: capabilities begin at 16. */
  readonly code: number
  /** Decompressed. */
  readonly size: number
  readonly sha256: string
  readonly compressed: boolean
  /** The payload, where it has at most 2048 bytes. */
  readonly hex?: string
  /** Decompression failed. */
  readonly error?: string
}
