import { ChaincodeMessageType } from '@kumiko/fabric-protocol'

/** By number, as Fabric prints them: `GET_STATE`. */
const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(ChaincodeMessageType).map(([name, type]) => [type, name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()]),
)

/** What Fabric calls a message's type: `GET_STATE`; for an unknown one its number. */
export function messageName(type: number): string {
  return NAMES.get(type) ?? String(type)
}
