/** What a committer makes of a transaction: a byte each in a block's transactions filter. `protos.TxValidationCode`. */
export const ValidationCode = {
  valid: 0,
  nilEnvelope: 1,
  badPayload: 2,
  badCommonHeader: 3,
  badCreatorSignature: 4,
  invalidEndorserTransaction: 5,
  invalidConfigTransaction: 6,
  unsupportedTxPayload: 7,
  badProposalTxid: 8,
  duplicateTxid: 9,
  endorsementPolicyFailure: 10,
  mvccReadConflict: 11,
  phantomReadConflict: 12,
  unknownTxType: 13,
  targetChainNotFound: 14,
  marshalTxError: 15,
  nilTxaction: 16,
  expiredChaincode: 17,
  chaincodeVersionConflict: 18,
  badHeaderExtension: 19,
  badChannelHeader: 20,
  badResponsePayload: 21,
  badRwset: 22,
  illegalWriteset: 23,
  invalidWriteset: 24,
  invalidChaincode: 25,
  notValidated: 254,
  invalidOtherReason: 255,
} as const

/** One of {@link ValidationCode}. */
export type ValidationCode = (typeof ValidationCode)[keyof typeof ValidationCode]

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(ValidationCode).map(([name, code]) => [code, name.replaceAll(/[A-Z]/g, '_$&').toUpperCase()]),
)

/** A code's name as Fabric prints it: `MVCC_READ_CONFLICT`. @returns Undefined where no code has the number. */
export function validationCodeName(code: number): string | undefined {
  return NAMES.get(code)
}
