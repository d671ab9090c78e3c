import {
  type CommittedState,
  configurationSet,
  prefetch,
  type StateDatabase,
  type StateReader,
  type TransactionToValidate,
} from '@kumiko/fabric-ledger'
import { channelMsp, type FabricIdentity, nextChannelBundle } from '@kumiko/fabric-msp'
import { type Block, ConfigEnvelope, type ReadWriteSet, readReadWriteSet, ValidationCode } from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'
import type { CommitterBundle } from './block-intake.ts'
import type { ChaincodeRulebook } from './chaincode-rules.ts'
import type { CheckedEndorsement, CheckedTransaction, EndorsedTransaction } from './check-transaction.ts'
import { EndorsementCheck, isWritten, type PolicyVerdicts } from './endorsement-check.ts'
import { cannotValidate } from './halted.ts'

/** The state that the block before left, as validation asks it. */
export interface StateToValidate {
  readonly state: StateReader & Pick<StateDatabase, 'refusal'>
  /** Which ids are in a block already, valid or not; one answer an id. */
  hasTransactions(txIds: readonly string[]): Promise<readonly boolean[]>
}

/** A channel at one configuration, with what follows from it. */
export interface ChannelRules {
  readonly bundle: CommitterBundle
  readonly msps: Pick<CommitterBundle['msps'], 'deserialize'>
  readonly rulebook: ChaincodeRulebook
  readonly verdicts: PolicyVerdicts
}

/** A block, judged but for what its transactions read. */
export interface ValidatedBlock {
  /** One a transaction; for the ledger. */
  readonly transactions: readonly TransactionToValidate[]
  /** Has all keys that the valid ones name. */
  readonly committed: CommittedState
  /** The channel from the next block on, where this one configures it. */
  readonly next: CommitterBundle | undefined
}

/**
 * Judges a block's transactions by the state that the block before left: duplicates, read-write sets, chaincodes, endorsement policies, and
 * what the database cannot hold. Changes nothing.
 * @param checked - What checks without state made of the block's transactions.
 * @throws KumikoError `fabric-committer/cannot-validate` where Fabric's peer would stop on the channel; what state and index throw. No
 * transaction is judged then.
 * @see Fabric `core/committer/txvalidator/v20/validator.go` Validate; research § 3.5.2–4
 */
export async function validateBlock(
  block: Block,
  checked: readonly CheckedTransaction[],
  rules: ChannelRules,
  { state, hasTransactions }: StateToValidate,
): Promise<ValidatedBlock> {
  const { number } = block.header
  const isKnown = await knownTransactions(checked, hasTransactions)
  const read = checked.map((transaction, index) => readTransaction(transaction, isKnown[index] === true))
  await prepare(rules.rulebook, read, state)
  const committed = await prefetch(read, state)
  const check = new EndorsementCheck(rules.rulebook, committed, rules.verdicts)
  let next: CommitterBundle | undefined
  const judged = read.map((transaction): TransactionToValidate => {
    const { code, set, checked } = transaction
    if (checked.kind === 'refused') return { code, set }
    if (checked.kind === 'config') {
      next = configure(checked.data, next ?? rules.bundle, number)
      return { code, set }
    }
    const { txId } = checked
    if (code !== ValidationCode.valid) return { code, set, txId }
    const endorsers = endorsersOf(checked.endorsements, rules.msps)
    return { code: check.judge({ chaincode: checked.chaincode, set: set ?? NO_SET, endorsers }), set, txId }
  })
  return { transactions: refuseWrites(refuseDuplicates(judged), state), committed, next }
}

interface ReadTransaction extends TransactionToValidate {
  readonly checked: CheckedTransaction
}

const NO_SET: ReadWriteSet = { namespaces: [] }

/** Ids of refused transactions are not looked up. */
async function knownTransactions(
  checked: readonly CheckedTransaction[],
  hasTransactions: StateToValidate['hasTransactions'],
): Promise<readonly boolean[]> {
  const places = checked.flatMap((transaction, index) => (transaction.kind === 'endorsed' ? [{ index, txId: transaction.txId }] : []))
  const known = await hasTransactions(places.map(({ txId }) => txId))
  const isKnown = checked.map(() => false)
  for (const [at, { index }] of places.entries()) isKnown[index] = known[at] === true
  return isKnown
}

function readTransaction(checked: CheckedTransaction, isKnown: boolean): ReadTransaction {
  if (checked.kind === 'refused') return { code: checked.code, set: undefined, checked }
  if (checked.kind === 'config') return { code: ValidationCode.valid, set: configurationSet(checked.data), checked }
  if (isKnown) return { code: ValidationCode.duplicateTxid, set: undefined, checked }
  return { ...readSet(checked), checked }
}

function readSet({ faultBeforeSet, faultAfterSet, results }: EndorsedTransaction): TransactionToValidate {
  if (faultBeforeSet !== undefined) return { code: faultBeforeSet, set: undefined }
  const set = readReadWriteSet(results)
  if (isFault(set)) return { code: ValidationCode.badRwset, set: undefined }
  if (faultAfterSet !== undefined) return { code: faultAfterSet, set: undefined }
  const isDistinct = new Set(set.namespaces.map(({ namespace }) => namespace)).size === set.namespaces.length
  return isDistinct ? { code: ValidationCode.valid, set } : { code: ValidationCode.illegalWriteset, set: undefined }
}

/** Of a transaction's chaincodes so many are looked up at once. */
const LOOKED_UP_MAX = 100

/** Reads the definitions that judging will ask for: a transaction's, in the order in which it is judged, up to one that nobody defined. */
async function prepare(rulebook: ChaincodeRulebook, read: readonly ReadTransaction[], state: StateReader): Promise<void> {
  const wanted = new Set<string>()
  let open = read.map(namespacesToPrepare)
  for (let from = 0; open.length > 0; from += LOOKED_UP_MAX) {
    const to = from + LOOKED_UP_MAX
    for (const names of open) for (const name of names.slice(from, to)) wanted.add(name)
    await rulebook.prepare(wanted, state)
    open = open.filter((names) => names.length > to && names.slice(from, to).every((name) => rulebook.of(name) !== undefined))
  }
}

function namespacesToPrepare({ code, set, checked }: ReadTransaction): readonly string[] {
  if (code !== ValidationCode.valid || checked.kind !== 'endorsed' || set === undefined) return []
  const { chaincode } = checked
  const names = [chaincode]
  for (const each of set.namespaces) if (each.namespace !== chaincode && isWritten(each)) names.push(each.namespace)
  return names
}

/** Each once, in the order of the endorsements. @see `validIdentities` of fabric-msp, whose signatures were checked elsewhere */
function endorsersOf(endorsements: readonly CheckedEndorsement[], msps: ChannelRules['msps']): readonly FabricIdentity[] {
  const endorsers: FabricIdentity[] = []
  for (const { endorser, isVerified } of endorsements) {
    const identity = isVerified ? msps.deserialize(endorser) : undefined
    if (identity !== undefined && !isFault(identity)) endorsers.push(identity)
  }
  return endorsers
}

/** A configuration that orderers let through and that is none stops Fabric's peer, and us. @see Fabric `core/peer/channel.go` Apply */
function configure(data: Uint8Array, bundle: CommitterBundle, number: bigint): CommitterBundle {
  const envelope = ConfigEnvelope.decode(data)
  const next: CommitterBundle | Fault = isFault(envelope) ? envelope : nextChannelBundle(bundle, envelope, channelMsp)
  if (isFault(next)) throw cannotValidate(`block ${number} configures the channel as we cannot follow`, next, { number })
  return next
}

/** Of two valid ones with an id the first counts. @see Fabric `core/committer/txvalidator/v20/validator.go` markTXIdDuplicates */
function refuseDuplicates(judged: readonly TransactionToValidate[]): TransactionToValidate[] {
  const seen = new Set<string>()
  return judged.map((transaction) => {
    const { code, txId } = transaction
    if (code !== ValidationCode.valid || txId === undefined) return transaction
    const isDuplicate = seen.has(txId)
    seen.add(txId)
    return isDuplicate ? { ...transaction, code: ValidationCode.duplicateTxid } : transaction
  })
}

/** @see Fabric `core/ledger/kvledger/txmgmt/validation/batch_preparer.go` validateWriteset */
function refuseWrites(transactions: readonly TransactionToValidate[], state: StateToValidate['state']): readonly TransactionToValidate[] {
  if (state.refusal === undefined) return transactions
  return transactions.map((transaction) => {
    const { code, set } = transaction
    const isRefused =
      code === ValidationCode.valid &&
      set?.namespaces.some(({ keyValue }) => keyValue.writes.some(({ key, value }) => state.refusal?.(key, value) !== undefined)) === true
    return isRefused ? { ...transaction, code: ValidationCode.invalidWriteset } : transaction
  })
}
