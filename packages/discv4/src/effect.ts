import type { Fault, NodeRecord, UdpEndpoint } from '@kumiko/interface'
import type { PacketType, WireEndpoint } from './packet.ts'

/** What can be asked of a node. */
export type Ask =
  | { readonly type: 'ping' }
  /** `target`: 64 bytes. */
  | { readonly type: 'findnode'; readonly target: Uint8Array }
  | { readonly type: 'enrrequest' }

/** What a node answers. */
export type Answer =
  /** `to`: the endpoint at which it sees us. */
  | { readonly type: 'pong'; readonly to: WireEndpoint; readonly enrSeq: bigint | undefined }
  /** Those that may be used, at most 16. */
  | { readonly type: 'neighbors'; readonly nodes: readonly NodeRecord[] }
  /** Verified, and of the node's own key; where it says the node is has not been checked. */
  | { readonly type: 'enrresponse'; readonly record: NodeRecord }

/** What the driver of an exchange is to do, or to know. */
export type ExchangeEffect =
  | { readonly do: 'send'; readonly type: PacketType; readonly packet: Uint8Array; readonly to: UdpEndpoint }
  /** What was asked is answered; without an answer, it never will be. */
  | { readonly do: 'settle'; readonly request: number; readonly answer: Answer | undefined }
  /** A node came by itself. `verified`: it proved to be where it came from, not long ago. `enrSeq`: of the record that it has now. */
  | { readonly do: 'met'; readonly node: NodeRecord; readonly origin: 'inbound' | 'verified'; readonly enrSeq: bigint }
  /** A node told us where it sees us. */
  | { readonly do: 'statement'; readonly from: string; readonly endpoint: WireEndpoint }
  /** We sent to an address unasked. */
  | { readonly do: 'contact'; readonly to: string }
  | { readonly do: 'received'; readonly type: PacketType }
  | { readonly do: 'fault'; readonly fault: Fault; readonly from: UdpEndpoint }

/** Where a machine puts the effects of one step, in order. */
export type Effects = ExchangeEffect[]
