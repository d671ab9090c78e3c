import { type DuplexMethod, duplex } from '@kumiko/fabric-grpc'
import { Envelope } from '@kumiko/fabric-protocol'
import { DeliverResponse } from '../response.ts'

/** A method that takes seeks, in envelopes, and answers each with blocks and a status. */
export type DeliverMethod = DuplexMethod<Envelope, DeliverResponse>

/** Whole blocks, of a peer. */
export const deliverBlocks: DeliverMethod = duplex('/protos.Deliver/Deliver', Envelope, DeliverResponse)

/** What became of transactions, without what is in them. */
export const deliverFiltered: DeliverMethod = duplex('/protos.Deliver/DeliverFiltered', Envelope, DeliverResponse)

/** Whole blocks, with the private data that the client may have. */
export const deliverWithPrivateData: DeliverMethod = duplex('/protos.Deliver/DeliverWithPrivateData', Envelope, DeliverResponse)

/** Whole blocks, of an orderer. */
export const deliverOrdered: DeliverMethod = duplex('/orderer.AtomicBroadcast/Deliver', Envelope, DeliverResponse)
