import { decodeRlp, encodeRlp, isRlpBytes, isRlpList } from '@kumiko/identity'
import { type DisconnectReason, disconnectCode, disconnectReason, type Fault } from '@kumiko/interface'
import { uncompress } from './snappy.ts'

/** @returns The data of a Disconnect: a list of one reason. @see devp2p/rlpx.md § Disconnect (0x01) */
export function encodeDisconnect(reason: DisconnectReason): Uint8Array {
  return encodeRlp([disconnectCode(reason)])
}

/**
 * Decodes a Disconnect in the forms that are seen: a list of one, as specified; a bare byte, from old geth and @ethereumjs/devp2p; either of them
 * compressed or, against the rule, not.
 *
 * @param data - Of the frame, at most 2 KiB.
 * @returns The reason, or undefined where there is none to be read, as in an empty list.
 */
export function decodeDisconnect(data: Uint8Array, isCompressed: boolean): DisconnectReason | undefined {
  if (!isCompressed) return reasonOf(data)
  const plain = uncompress(data, 64)
  return ('fault' in plain ? undefined : reasonOf(plain)) ?? reasonOf(data)
}

function reasonOf(data: Uint8Array): DisconnectReason | undefined {
  const item = decodeRlp(data)
  const code = isRlpList(item) && item.length === 1 ? item[0] : item
  if (!isRlpBytes(code) || code.length > 1) return undefined
  return disconnectReason(code[0] ?? 0)
}

/** What a remote is told when it is at fault; undefined where the connection just ends. */
const REASONS: Readonly<Record<string, DisconnectReason | undefined>> = {
  'rlpx/bad-frame-mac': undefined,
  'rlpx/bad-header-mac': undefined,
  'rlpx/bad-auth': undefined,
  'rlpx/bad-ack': undefined,
  'rlpx/handshake-too-large': undefined,
  'rlpx/handshake-timeout': undefined,
  'rlpx/write-timeout': undefined,
  'rlpx/write-overflow': undefined,
  'rlpx/disconnected': undefined,
  'rlpx/closed': undefined,
  'rlpx/hello-timeout': 'ping-timeout',
  'rlpx/read-timeout': 'ping-timeout',
  'rlpx/incompatible-version': 'incompatible-version',
  'rlpx/null-identity': 'null-identity',
  'rlpx/unexpected-identity': 'unexpected-identity',
  'rlpx/useless-peer': 'useless-peer',
}

/** The reason that goes with a fault: a breach of protocol, unless the table says otherwise. */
export function reasonForFault({ fault }: Fault): DisconnectReason | undefined {
  return fault in REASONS ? REASONS[fault] : 'breach-of-protocol'
}
