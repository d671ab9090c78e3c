export type { NatMethod, StunServer } from './method.ts'
export { formatNat, parseNat } from './method.ts'
export { type Nat, type NatComponents, type NatOptions, type NatStatus, nat } from './nat.ts'
