import type { FabricIdentity, MspFault, MspManager } from '@kumiko/fabric-msp'
import { BoundedMap, isFault } from '@kumiko/interface'

/** Identities kept: some 10 kB each. Fabric's own MSPs keep 100 each, so that a channel of more clients reads every certificate anew. */
const IDENTITIES_MAX = 2000

/** What is longer is no identity that anybody has, and is not kept. */
const SERIALIZED_MAX = 16_384

/**
 * A channel's organisations, with the identities that were asked for lately kept: they know whether they are valid, which costs as much as a
 * signature's check or ten. For one configuration, under which an identity stays what it is.
 */
export function keepIdentities(msps: Pick<MspManager, 'deserialize'>, max: number = IDENTITIES_MAX): Pick<MspManager, 'deserialize'> {
  const known = new BoundedMap<string, FabricIdentity>(max)
  return {
    deserialize: (serialized): FabricIdentity | MspFault => {
      const key = keyOf(serialized)
      const kept = known.get(key)
      if (kept !== undefined) return kept
      const identity = msps.deserialize(serialized)
      if (isFault(identity) || serialized.length > SERIALIZED_MAX) return identity
      known.set(key, identity)
      return identity
    },
  }
}

/** Every byte has a letter of its own. (A `TextDecoder` takes ten times as long.) */
function keyOf({ buffer, byteOffset, length }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, length).toString('latin1')
}
