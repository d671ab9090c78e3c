import { isFault } from '@kumiko/interface'
import type { FabricIdentity, Msp, MspFault, MspManager } from './contract.ts'
import { readSerializedIdentity } from './identity.ts'

/** The manager of a channel's organisations. @param msps - At most one counts for an id: the last, as in `mspmgrimpl.go`. */
export function createMspManager<M extends Msp>(msps: Iterable<M>): MspManager & { msp(mspId: string): M | undefined } {
  const byId = new Map<string, M>()
  for (const msp of msps) byId.set(msp.mspId, msp)
  return {
    msp: (mspId) => byId.get(mspId),
    deserialize: (serialized: Uint8Array): FabricIdentity | MspFault => {
      const read = readSerializedIdentity(serialized)
      if (isFault(read)) return read
      return byId.get(read.mspId)?.deserialize(serialized) ?? { fault: 'fabric-msp/unknown-msp', detail: read.mspId.slice(0, 100) }
    },
  }
}
