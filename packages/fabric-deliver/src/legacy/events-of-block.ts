import {
  type Block,
  type ChaincodeEvent,
  HeaderType,
  openEnvelope,
  readChannelHeader,
  readTransactionsFilter,
  Transaction,
  ValidationCode,
  validationCodeName,
} from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import { chaincodeEventOf, filterBlock } from '../server/filtered-block.ts'
import { EventType, type HubEvent, type Interest } from './event-messages.ts'

/** What a block has to tell to who has these interests: the block first, each thing once. */
export function* eventsOf(block: Block, interests: readonly Interest[]): Generator<Partial<HubEvent>> {
  const wants = (eventType: number): boolean => interests.some((interest) => interest.eventType === eventType)
  if (wants(EventType.block)) {
    yield { block: { header: block.header, data: { data: block.data }, metadata: { metadata: block.metadata } } }
  }
  const filteredBlock = wants(EventType.filteredBlock) ? filterBlock(block) : undefined
  if (filteredBlock !== undefined && !isFault(filteredBlock)) yield { filteredBlock }
  if (wants(EventType.chaincode) || wants(EventType.rejection)) yield* transactionEvents(block, interests, wants(EventType.rejection))
}

function* transactionEvents(block: Block, interests: readonly Interest[], wantsRejections: boolean): Generator<Partial<HubEvent>> {
  const codes = readTransactionsFilter(block)
  for (const [index, source] of block.data.entries()) {
    const code = codes?.[index] ?? ValidationCode.notValidated
    const transaction = endorsedIn(source)
    if (transaction === undefined) continue
    if (code !== ValidationCode.valid && wantsRejections)
      yield { rejection: { tx: transaction, errorMessage: validationCodeName(code) ?? String(code) } }
    if (code !== ValidationCode.valid) continue
    for (const action of transaction.actions) {
      const chaincodeEvent = chaincodeEventOf(action)
      if (chaincodeEvent === undefined || isFault(chaincodeEvent)) continue
      if (interests.some((interest) => isAbout(interest, chaincodeEvent))) yield { chaincodeEvent }
    }
  }
}

function endorsedIn(source: Uint8Array): Transaction | undefined {
  const payload = openEnvelope(source)
  const header = isFault(payload) ? payload : readChannelHeader(payload)
  if (isFault(payload) || isFault(header) || header.type !== HeaderType.endorserTransaction) return
  const transaction = Transaction.decode(payload.data)
  return isFault(transaction) ? undefined : transaction
}

/** An interest without a name is in all that the chaincode tells. */
function isAbout({ eventType, chaincode }: Interest, { chaincodeId, eventName }: ChaincodeEvent): boolean {
  if (eventType !== EventType.chaincode || chaincode === undefined || chaincodeId === '') return false
  return chaincode.chaincodeId === chaincodeId && (chaincode.eventName === '' || chaincode.eventName === eventName)
}
