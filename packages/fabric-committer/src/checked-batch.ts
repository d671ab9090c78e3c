import type { ValidationCode } from '@kumiko/fabric-protocol'
import type { CheckedEndorsement, CheckedTransaction, EndorsedTransaction } from './check-transaction.ts'

/**
 * Many {@link CheckedTransaction}s as they cross from a thread to another: numbers in one buffer, which is handed over and not copied, and
 * places in transactions in place of bytes, for both sides have these. An object each would cost more than all but the signatures.
 */
export interface CheckedBatch {
  readonly numbers: Int32Array<ArrayBuffer>
  /** Id and chaincode of each endorsed transaction. */
  readonly texts: readonly string[]
}

const REFUSED = 0
const CONFIG = 1
const ENDORSED = 2

/** No code: the one that no check gives is valid, 0. */
const NO_CODE = 0

/** Packs what was made of transactions. @param items - The transactions' bytes, of which the others are views. */
export function packChecked(items: readonly Uint8Array[], checked: readonly CheckedTransaction[]): CheckedBatch {
  const numbers: number[] = []
  const texts: string[] = []
  for (const [index, transaction] of checked.entries()) {
    const item = items[index] ?? NOTHING
    switch (transaction.kind) {
      case 'refused':
        numbers.push(REFUSED, transaction.code)
        break
      case 'config':
        numbers.push(CONFIG, ...placeOf(transaction.data, item))
        break
      case 'endorsed':
        texts.push(transaction.txId, transaction.chaincode)
        packEndorsed(item, transaction, numbers)
    }
  }
  return { numbers: Int32Array.from(numbers), texts }
}

/** Unpacks what {@link packChecked} packed. @param items - The same transactions' bytes; the result has views of them. */
export function unpackChecked(items: readonly Uint8Array[], { numbers, texts }: CheckedBatch): CheckedTransaction[] {
  const reader = new Reader(numbers, texts)
  return items.map((item) => {
    switch (reader.number()) {
      case REFUSED:
        return { kind: 'refused', code: reader.code() }
      case CONFIG:
        return { kind: 'config', data: reader.view(item) }
      default:
        return unpackEndorsed(item, reader)
    }
  })
}

function packEndorsed(item: Uint8Array, transaction: EndorsedTransaction, numbers: number[]): void {
  const { faultBeforeSet, faultAfterSet, results, endorsements } = transaction
  numbers.push(ENDORSED, faultBeforeSet ?? NO_CODE, faultAfterSet ?? NO_CODE, ...placeOf(results, item), endorsements.length)
  for (const { endorser, isVerified } of endorsements) numbers.push(...placeOf(endorser, item), isVerified ? 1 : 0)
}

function unpackEndorsed(item: Uint8Array, reader: Reader): EndorsedTransaction {
  const [txId, chaincode] = [reader.text(), reader.text()]
  const faultBeforeSet = reader.code() || undefined
  const faultAfterSet = reader.code() || undefined
  const results = reader.view(item)
  const endorsements: CheckedEndorsement[] = []
  for (let count = reader.number(); count > 0; count--)
    endorsements.push({ endorser: reader.view(item), isVerified: reader.number() === 1 })
  return { kind: 'endorsed', txId, chaincode, faultBeforeSet, faultAfterSet, results, endorsements }
}

const NOTHING = new Uint8Array()

/** Where and how long a view is. */
function placeOf(view: Uint8Array, item: Uint8Array): [number, number] {
  return view.length === 0 ? [0, 0] : [view.byteOffset - item.byteOffset, view.length]
}

class Reader {
  readonly #numbers: Int32Array
  readonly #texts: readonly string[]
  #number = 0
  #text = 0

  constructor(numbers: Int32Array, texts: readonly string[]) {
    this.#numbers = numbers
    this.#texts = texts
  }

  number(): number {
    return this.#numbers[this.#number++] ?? 0
  }

  /** Packed by {@link packChecked}: a code. */
  code(): ValidationCode {
    return this.number() as ValidationCode
  }

  text(): string {
    return this.#texts[this.#text++] ?? ''
  }

  view(item: Uint8Array): Uint8Array {
    const offset = this.number()
    return item.subarray(offset, offset + this.number())
  }
}
