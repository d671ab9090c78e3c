import type { StateReader } from '@kumiko/fabric-ledger'
import {
  type ChaincodeDefinition,
  chaincodeDefinition,
  definitionRecord,
  LIFECYCLE_NAMESPACE,
  proposedDefinition,
} from '@kumiko/fabric-lifecycle'
import type { ChannelBundle } from '@kumiko/fabric-msp'
import { type DefinitionArgs, equalBytes } from '@kumiko/fabric-protocol'
import { isFault, KumikoError } from '@kumiko/interface'
import { type ChaincodeTerms, definitionOf } from './definition.ts'

/** A channel, as far as its definitions are looked up. */
export interface DefiningChannel {
  readonly bundle: ChannelBundle
  readonly ledger: { readonly state: Pick<StateReader, 'getMany'> }
}

/**
 * What the channel must agree on for a chaincode to have these terms.
 * @returns Undefined where it has them.
 * @throws KumikoError `fabric-msp/bad-policy-text`, and `fabric-lifecycle/refused` for terms that no channel takes.
 */
export async function nextDefinition(name: string, terms: ChaincodeTerms, channel: DefiningChannel): Promise<DefinitionArgs | undefined> {
  const current = await definitionIn(name, channel)
  const next = definitionOf(name, terms, (current?.sequence ?? 0n) + 1n)
  return current !== undefined && isSame(name, current, proposedDefinition(next, channel.bundle)) ? undefined : next
}

async function definitionIn(name: string, { ledger }: DefiningChannel): Promise<ChaincodeDefinition | undefined> {
  const read = async (keys: readonly string[]) => {
    const entries = await ledger.state.getMany(keys.map((key) => ({ namespace: LIFECYCLE_NAMESPACE, key })))
    return entries.map((entry) => entry?.value)
  }
  const definition = await chaincodeDefinition(read, name)
  if (!isFault(definition)) return definition
  throw new KumikoError('fabric-devnet/refused', `the definition of ${name} cannot be read: ${definition.detail ?? definition.fault}`)
}

function isSame(name: string, current: ChaincodeDefinition, next: ChaincodeDefinition): boolean {
  const after = definitionRecord(name, { ...next, sequence: current.sequence }).fields
  const before = definitionRecord(name, current).fields
  return [...before].every(([field, { bytes }]) => bytes === undefined || equalBytes(bytes, after.get(field)?.bytes ?? new Uint8Array()))
}
