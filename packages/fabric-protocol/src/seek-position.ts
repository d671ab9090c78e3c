import { type Message, message, nested, oneOf, uint64 } from './message.ts'

/** Where in a chain to begin or to end: one of the four, or none. `orderer.SeekPosition`. */
export interface SeekPosition {
  readonly newest: object | undefined
  readonly oldest: object | undefined
  readonly specified: SeekSpecified | undefined
  readonly nextCommit: object | undefined
}

/** A block by its number. `orderer.SeekSpecified`. */
export interface SeekSpecified {
  readonly number: bigint
}

const Nothing: Message<object> = message<object>('orderer.SeekNewest', {})

/** `orderer.SeekSpecified`. */
export const SeekSpecified: Message<SeekSpecified> = message<SeekSpecified>('orderer.SeekSpecified', { number: uint64(1) })

/** `orderer.SeekPosition`. */
export const SeekPosition: Message<SeekPosition> = message<SeekPosition>('orderer.SeekPosition', {
  newest: oneOf(
    'Type',
    nested(1, () => Nothing),
  ),
  oldest: oneOf(
    'Type',
    nested(2, () => Nothing),
  ),
  specified: oneOf(
    'Type',
    nested(3, () => SeekSpecified),
  ),
  nextCommit: oneOf(
    'Type',
    nested(4, () => Nothing),
  ),
})
