import { equalBytes } from '@kumiko/fabric-protocol'
import type { FabricIdentity, MspManager } from '../src/contract.ts'

/** An identity that is written as `Org1MSP.client.alice`: of an MSP, with a role, by a name. It is a member too. */
export function identityOf(name: string): FabricIdentity {
  const [mspId = '', role] = name.split('.')
  const serialized = new TextEncoder().encode(name)
  return {
    mspId,
    id: name,
    serialized,
    verify: (message, signature) => equalBytes(signature, signatureOf(name, message)),
    validate: () => undefined,
    satisfies: (principal) =>
      (principal.kind === 'role' && principal.mspId === mspId && (principal.role === 'member' || principal.role === role)) ||
      (principal.kind === 'identity' && equalBytes(principal.serialized, serialized)),
  }
}

/** Reads identities as {@link identityOf} writes them, of any MSP. */
export const anyMsps: Pick<MspManager, 'deserialize'> = {
  deserialize: (serialized) => {
    const name = new TextDecoder().decode(serialized)
    return name.split('.').length === 3 ? identityOf(name) : { fault: 'fabric-msp/bad-identity', detail: name }
  },
}

/** What stands for a signature of an identity made by {@link identityOf}. */
export function signatureOf(name: string, message: Uint8Array): Uint8Array {
  return Uint8Array.from([...new TextEncoder().encode(name), ...message])
}
