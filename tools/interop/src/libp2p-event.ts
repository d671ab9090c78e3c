/** What happened at a libp2p peer. Peers are told by their ids, as text. */
export type Libp2pEvent =
  | { readonly event: 'ready'; readonly peer: string; readonly addresses: readonly string[] }
  /** A stream of an echo protocol that the remote opened has ended. `size`: what was sent back. */
  | {
      readonly event: 'echoed'
      readonly peer: string
      readonly protocol: string
      readonly size: number
      readonly how: 'end' | 'reset'
    }
  /** A message of gossipsub. `from` has signed it, `by` has brought it. */
  | { readonly event: 'published'; readonly topic: string; readonly text: string; readonly from: string; readonly by: string }
  /** A stream of the chat; `inbound`: the remote opened it. */
  | { readonly event: 'chat-joined'; readonly peer: string; readonly inbound: boolean }
  | { readonly event: 'chat-left'; readonly peer: string; readonly inbound: boolean }
  | { readonly event: 'chat-line'; readonly peer: string; readonly text: string }
