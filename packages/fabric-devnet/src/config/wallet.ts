import type { Member } from '../crypto/organization.ts'

/** An identity as the file wallet of `fabric-network` has it, a file `<label>.id`. */
export interface WalletEntry {
  readonly credentials: { readonly certificate: string; readonly privateKey: string }
  readonly mspId: string
  readonly type: 'X.509'
  readonly version: 1
}

/** A member's entry in a wallet. */
export function walletEntry(mspId: string, { identity: { certificate, privateKey } }: Member): WalletEntry {
  return { credentials: { certificate, privateKey }, mspId, type: 'X.509', version: 1 }
}
