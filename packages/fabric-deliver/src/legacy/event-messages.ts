import { type DuplexMethod, duplex } from '@kumiko/fabric-grpc'
import {
  BlockMessage,
  bytes,
  ChaincodeEvent,
  int32,
  type Message,
  message,
  nested,
  oneOf,
  repeatedNested,
  string,
  Timestamp,
  Transaction,
} from '@kumiko/fabric-protocol'
import { FilteredBlock } from '../response.ts'

/** What a client may want to hear of. `protos.EventType`. */
export const EventType = { register: 0, block: 1, chaincode: 2, rejection: 3, filteredBlock: 4 } as const

/** `protos.Interest`. */
export interface Interest {
  /** An {@link EventType}. */
  readonly eventType: number
  /** Of interests in chaincode: which, and in what. */
  readonly chaincode: { readonly chaincodeId: string; readonly eventName: string } | undefined
  /** Empty: all channels that the client may read. */
  readonly channelId: string
}

/** `protos.Register` and `protos.Unregister`. */
export interface Interests {
  readonly events: readonly Interest[]
}

/** A transaction that a block marks as invalid. `protos.Rejection`. */
export interface Rejection {
  readonly tx: Transaction | undefined
  readonly errorMessage: string
}

/** What goes both ways. `protos.Event`. */
export interface HubEvent {
  readonly register: Interests | undefined
  readonly block: Partial<BlockMessage> | undefined
  readonly chaincodeEvent: ChaincodeEvent | undefined
  readonly rejection: Rejection | undefined
  readonly unregister: Interests | undefined
  /** A `SerializedIdentity`'s bytes. */
  readonly creator: Uint8Array
  readonly filteredBlock: FilteredBlock | undefined
  readonly timestamp: Timestamp | undefined
  readonly tlsCertHash: Uint8Array
}

/** `protos.SignedEvent`. */
export interface SignedEvent {
  readonly signature: Uint8Array
  /** A {@link HubEvent}'s bytes. */
  readonly eventBytes: Uint8Array
}

const ChaincodeInterest: Message<NonNullable<Interest['chaincode']>> = message<NonNullable<Interest['chaincode']>>('protos.ChaincodeReg', {
  chaincodeId: string(1),
  eventName: string(2),
})
const Interest: Message<Interest> = message<Interest>('protos.Interest', {
  eventType: int32(1),
  chaincode: oneOf(
    'RegInfo',
    nested(2, () => ChaincodeInterest),
  ),
  channelId: string(3),
})
const Interests: Message<Interests> = message<Interests>('protos.Register', { events: repeatedNested(1, () => Interest) })
const Rejection: Message<Rejection> = message<Rejection>('protos.Rejection', { tx: nested(1, () => Transaction), errorMessage: string(2) })

/** `protos.Event`, as Fabric 1.2 has it. */
export const HubEvent: Message<HubEvent> = message<HubEvent>('protos.Event', {
  register: oneOf(
    'Event',
    nested(1, () => Interests),
  ),
  block: oneOf(
    'Event',
    nested<Partial<BlockMessage>>(2, () => BlockMessage),
  ),
  chaincodeEvent: oneOf(
    'Event',
    nested(3, () => ChaincodeEvent),
  ),
  rejection: oneOf(
    'Event',
    nested(4, () => Rejection),
  ),
  unregister: oneOf(
    'Event',
    nested(5, () => Interests),
  ),
  creator: bytes(6),
  filteredBlock: oneOf(
    'Event',
    nested(7, () => FilteredBlock),
  ),
  timestamp: nested(8, () => Timestamp),
  tlsCertHash: bytes(9),
})

/** `protos.SignedEvent`. */
export const SignedEvent: Message<SignedEvent> = message<SignedEvent>('protos.SignedEvent', { signature: bytes(1), eventBytes: bytes(2) })

/** The one method of the event hub. */
export const eventChat: DuplexMethod<SignedEvent, HubEvent> = duplex('/protos.Events/Chat', SignedEvent, HubEvent)
