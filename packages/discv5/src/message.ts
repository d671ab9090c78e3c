import {
  decodeRlp,
  encodeRlp,
  formatIp,
  isRlpBytes,
  isRlpList,
  parseIp,
  type RlpInput,
  type RlpItem,
  rlpBigUint,
  rlpUint,
} from '@kumiko/identity'
import { type Fault, isFault } from '@kumiko/interface'

/** Items of a message: findnode has 260 at most, four records some hundred. What has more is made to keep us busy. */
const ITEMS_MAX = 512

/** "The request ID is a byte array of at most 8 bytes." */
export const REQUEST_ID_MAX_BYTES = 8

/** Are you there? */
export interface PingBody {
  readonly type: 'ping'
  /** Of the sender's record. */
  readonly enrSeq: bigint
}

/** I am. */
export interface PongBody {
  readonly type: 'pong'
  readonly enrSeq: bigint
  /** Where the ping came from. */
  readonly ip: string
  readonly port: number
}

/** Which nodes do you know at these distances from you? */
export interface FindNodeBody {
  readonly type: 'findnode'
  /** Each 0–256; 0 is the node itself. Others are left out when they come. */
  readonly distances: readonly number[]
}

/** Those; one of `total` such messages. */
export interface NodesBody {
  readonly type: 'nodes'
  /** 0–255, as the other one says. */
  readonly total: number
  /** RLP of ENRs, unverified. */
  readonly records: readonly Uint8Array[]
}

/** A request of an application protocol. */
export interface TalkRequestBody {
  readonly type: 'talkreq'
  readonly protocol: Uint8Array
  readonly message: Uint8Array
}

/** Empty where the protocol is not known. */
export interface TalkResponseBody {
  readonly type: 'talkresp'
  readonly message: Uint8Array
}

export type RequestBody = PingBody | FindNodeBody | TalkRequestBody
export type ResponseBody = PongBody | NodesBody | TalkResponseBody

/** A message as it is encrypted. */
export interface Message {
  /** 0–{@link REQUEST_ID_MAX_BYTES} bytes. */
  readonly requestId: Uint8Array
  readonly body: RequestBody | ResponseBody
}

/** § Protocol Messages: message-type. */
const TYPES = { ping: 1, pong: 2, findnode: 3, nodes: 4, talkreq: 5, talkresp: 6 } as const

/** Distances are 0 to 256. */
const DISTANCE_MAX = 256

/** Encodes a message. */
export function encodeMessage({ requestId, body }: Message): Uint8Array {
  const data = body.type === 'nodes' ? nodesData(requestId, body) : encodeRlp([requestId, ...fieldsOf(body)])
  const message = new Uint8Array(1 + data.length)
  message[0] = TYPES[body.type]
  message.set(data, 1)
  return message
}

/**
 * Reads a message. Elements behind those that are known are passed over.
 *
 * @returns The message, or the fault `discv5/bad-message`, `discv5/unknown-message`.
 */
export function decodeMessage(bytes: Uint8Array): Message | Fault {
  const read = READERS[(bytes[0] ?? 0) - 1]
  if (read === undefined) return { fault: 'discv5/unknown-message', detail: `type ${bytes[0]}` }
  const items = decodeRlp(bytes.subarray(1), ITEMS_MAX)
  if (isFault(items)) return bad(items.detail)
  if (!isRlpList(items)) return bad('no list')
  const [requestId] = items
  if (!isRlpBytes(requestId) || requestId.length > REQUEST_ID_MAX_BYTES) return bad('request id')
  const body = read(items)
  return body === undefined ? bad(`fields of type ${bytes[0]}`) : { requestId, body }
}

function fieldsOf(body: Exclude<RequestBody | ResponseBody, NodesBody>): RlpInput[] {
  switch (body.type) {
    case 'ping':
      return [body.enrSeq]
    case 'pong':
      return [body.enrSeq, parseIp(body.ip) ?? new Uint8Array(4), body.port]
    case 'findnode':
      return [body.distances]
    case 'talkreq':
      return [body.protocol, body.message]
    case 'talkresp':
      return [body.message]
  }
}

/** The records are RLP already, and go in as they are. */
function nodesData(requestId: Uint8Array, { total, records }: NodesBody): Uint8Array {
  return listOf([encodeRlp(requestId), encodeRlp(total), listOf(records)])
}

/** The RLP of a list, from the RLP of its items; less than 64 KiB. */
function listOf(items: readonly Uint8Array[]): Uint8Array {
  const size = items.reduce((sum, item) => sum + item.length, 0)
  const head = size < 56 ? [0xc0 + size] : size < 256 ? [0xf8, size] : [0xf9, size >> 8, size & 0xff]
  const list = new Uint8Array(head.length + size)
  list.set(head)
  let at = head.length
  for (const item of items) {
    list.set(item, at)
    at += item.length
  }
  return list
}

type Reader = (items: readonly RlpItem[]) => RequestBody | ResponseBody | undefined

/** In the order of message-type. */
const READERS: readonly Reader[] = [
  ([, seq]) => {
    const enrSeq = rlpBigUint(seq, 8)
    return enrSeq === undefined ? undefined : { type: 'ping', enrSeq }
  },
  ([, seq, address, udp]) => {
    const enrSeq = rlpBigUint(seq, 8)
    const port = rlpUint(udp, 2)
    if (enrSeq === undefined || port === undefined || !isRlpBytes(address)) return undefined
    return address.length === 4 || address.length === 16 ? { type: 'pong', enrSeq, ip: formatIp(address), port } : undefined
  },
  ([, list]) => {
    if (!isRlpList(list)) return undefined
    const distances = new Set<number>()
    for (const item of list) {
      const distance = rlpUint(item, 6)
      if (distance === undefined) return undefined
      if (distance <= DISTANCE_MAX) distances.add(distance)
    }
    return { type: 'findnode', distances: [...distances] }
  },
  ([, count, list]) => {
    const total = rlpUint(count, 1)
    return total === undefined || !isRlpList(list) ? undefined : { type: 'nodes', total, records: list.map((record) => encodeRlp(record)) }
  },
  ([, protocol, message]) => (isRlpBytes(protocol) && isRlpBytes(message) ? { type: 'talkreq', protocol, message } : undefined),
  ([, message]) => (isRlpBytes(message) ? { type: 'talkresp', message } : undefined),
]

function bad(detail: string | undefined): Fault {
  return detail === undefined ? { fault: 'discv5/bad-message' } : { fault: 'discv5/bad-message', detail }
}
