import {
  ChannelHeader,
  type Config,
  type ConfigEnvelope,
  ConfigGroup,
  ConfigUpdate,
  ConfigUpdateEnvelope,
  concatBytes,
  type Envelope,
  HeaderType,
  isSameMessage,
  Payload,
  SignatureHeader,
  type SignedData,
} from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'
import type { MspManager } from '../contract.ts'
import { evaluateSignedData } from '../policy/policy.ts'
import type { PolicyTree } from '../policy/policy-tree.ts'
import { modPolicyProblem } from './config-id.ts'
import { type ConfigElement, type ConfigMap, flattenConfig, unflattenConfig } from './config-map.ts'

/** What a channel is now, as far as updates of it ask. */
export interface CurrentConfig {
  readonly channelId: string
  readonly config: Config
  readonly policies: PolicyTree
  readonly msps: Pick<MspManager, 'deserialize'>
}

/**
 * Applies an update to a channel's configuration (`configtx.ProposeConfigUpdate`, research § 3.4.1–3). Pure.
 * @param update - An envelope of type CONFIG_UPDATE. Its own signature is not looked at: those over the update count.
 * @returns What the CONFIG transaction will carry, or why the update is refused. The new configuration may still be no valid one: see
 * `channelBundle`.
 */
export function proposeConfigUpdate(current: CurrentConfig, update: Envelope): ConfigEnvelope | Fault {
  const envelope = readUpdateEnvelope(update)
  if (isFault(envelope)) return envelope
  const map = authorizeUpdate(current, envelope)
  if (isFault(map)) return map
  const channelGroup = unflattenConfig(map)
  if (isFault(channelGroup)) return channelGroup
  return { config: { sequence: BigInt.asUintN(64, current.config.sequence + 1n), channelGroup }, lastUpdate: update }
}

/**
 * Checks a CONFIG transaction against the configuration before it (`configtx.Validate`, research § 3.4.4): its update, applied again,
 * must give the configuration that it carries, by structure and not by bytes.
 * @returns What is wrong, if anything.
 */
export function validateConfigUpdate(current: CurrentConfig, next: ConfigEnvelope): Fault | undefined {
  if (next.config === undefined) return refused('there is no config')
  const expected = current.config.sequence + 1n
  if (next.config.sequence !== expected)
    return refused(`config currently at sequence ${current.config.sequence}, cannot validate config at sequence ${next.config.sequence}`)
  if (next.lastUpdate === undefined) return refused('there is no last_update')
  const proposed = proposeConfigUpdate(current, next.lastUpdate)
  if (isFault(proposed)) return proposed
  const [computed, given] = [proposed.config?.channelGroup, next.config.channelGroup]
  if (computed !== undefined && given !== undefined && isSameMessage(ConfigGroup, computed, given)) return undefined
  return refused('ConfigEnvelope LastUpdate did not produce the supplied config result')
}

function readUpdateEnvelope(update: Envelope): ConfigUpdateEnvelope | Fault {
  const decoded = Payload.decode(update.payload)
  if (isFault(decoded)) return decoded
  if (decoded.header === undefined) return refused('error converting envelope to config update: header not set')
  const header = ChannelHeader.decode(decoded.header.channelHeader)
  if (isFault(header)) return header
  if (header.type !== HeaderType.configUpdate)
    return refused(`error converting envelope to config update: invalid type ${header.type}, expected CONFIG_UPDATE`)
  return ConfigUpdateEnvelope.decode(decoded.data)
}

/** @returns The whole configuration with the update in it (`authorizeUpdate`). */
function authorizeUpdate(current: CurrentConfig, envelope: ConfigUpdateEnvelope): ConfigMap | Fault {
  const update = ConfigUpdate.decode(envelope.configUpdate)
  if (isFault(update)) return update
  if (update.channelId !== current.channelId)
    return unauthorized(`ConfigUpdate for channel '${update.channelId.slice(0, 80)}' but envelope for channel '${current.channelId}'`)
  const now = flattenConfig(current.config.channelGroup)
  const readSet = flattenConfig(update.readSet)
  const writeSet = flattenConfig(update.writeSet)
  if (isFault(now)) return now
  if (isFault(readSet)) return readSet
  if (isFault(writeSet)) return writeSet
  const delta = deltaOf(readSet, writeSet)
  const fault = verifyReadSet(now, readSet) ?? verifyDelta(current, now, delta, signaturesOf(envelope))
  if (fault !== undefined) return fault
  const next = new Map([...now, ...delta])
  const lost = [...writeSet.keys()].find((key) => !next.has(key))
  return lost === undefined
    ? next
    : unauthorized(`full config did not verify: writeset contained key ${lost} which did not appear in proposed config`)
}

/** What is written is what differs in version from what was read; whether that makes sense, the current configuration tells. */
function deltaOf(readSet: ConfigMap, writeSet: ConfigMap): ConfigMap {
  return new Map([...writeSet].filter(([key, { element }]) => readSet.get(key)?.element.version !== element.version))
}

function verifyReadSet(now: ConfigMap, readSet: ConfigMap): Fault | undefined {
  for (const [key, { element }] of readSet) {
    const version = now.get(key)?.element.version
    if (version === undefined) return badReadSet(`existing config does not contain element for ${key} but was in the read set`)
    if (version !== element.version)
      return badReadSet(
        `proposed update requires that key ${key} be at version ${element.version}, but it is currently at version ${version}`,
      )
  }
  return undefined
}

function verifyDelta(
  current: CurrentConfig,
  now: ConfigMap,
  delta: ConfigMap,
  signatures: readonly SignedData[] | Fault,
): Fault | undefined {
  if (isFault(signatures)) return signatures
  if (delta.size === 0) return badDeltaSet('delta set was empty -- update would have no effect')
  for (const [key, written] of delta) {
    const fault = verifyElement(current, key, now.get(key), written, signatures)
    if (fault !== undefined) return fault
  }
  return undefined
}

function verifyElement(
  current: CurrentConfig,
  key: string,
  existing: ConfigElement | undefined,
  { element }: ConfigElement,
  signatures: readonly SignedData[],
): Fault | undefined {
  const problem = modPolicyProblem(element.modPolicy)
  if (problem !== undefined) return badDeltaSet(`invalid mod_policy for element ${key}: ${problem}`)
  if (existing === undefined)
    return element.version === 0n
      ? undefined
      : badDeltaSet(`attempted to set key ${key} to version ${element.version}, but key does not exist`)
  const expected = BigInt.asUintN(64, existing.element.version + 1n)
  if (element.version !== expected)
    return badDeltaSet(`attempt to set key ${key} to version ${element.version}, but key is at version ${existing.element.version}`)
  const policy = modPolicyTree(current.policies, existing)?.policy(existing.element.modPolicy)
  if (policy === undefined) return badDeltaSet(`unexpected missing policy ${existing.element.modPolicy} for item ${key}`)
  const missing = evaluateSignedData(policy, signatures, current.msps)
  return missing && badDeltaSet(`policy for ${key} not satisfied: ${missing.detail ?? ''}`)
}

/** Where a `mod_policy` is looked up: the root for absolute ones, else the group of the element, and for a group the group itself. */
function modPolicyTree(root: PolicyTree, { kind, path, key, element }: ConfigElement): PolicyTree | undefined {
  if (path.length === 0 || element.modPolicy.startsWith('/')) return root
  return root.group(kind === 'group' ? [...path.slice(1), key] : path.slice(1))
}

/** What each signer of an update signed (`protoutil.ConfigUpdateEnvelopeAsSignedData`). */
function signaturesOf({ configUpdate: update, signatures }: ConfigUpdateEnvelope): readonly SignedData[] | Fault {
  const signed: SignedData[] = []
  for (const { signatureHeader: headerBytes, signature } of signatures) {
    const header = SignatureHeader.decode(headerBytes)
    if (isFault(header)) return header
    signed.push({ identity: header.creator, message: concatBytes([headerBytes, update]), signature })
  }
  return signed
}

/** What clients of an orderer read: in Fabric's words (`configtx/{validator,update}.go`), with the keys of what they would change. */
const REASON_MAX = 500

function refused(why: string): Fault {
  return { fault: 'fabric-msp/config-update-refused', detail: why.slice(0, REASON_MAX) }
}

function unauthorized(why: string): Fault {
  return refused(`error authorizing update: ${why}`)
}

function badReadSet(why: string): Fault {
  return unauthorized(`error validating ReadSet: ${why}`)
}

function badDeltaSet(why: string): Fault {
  return unauthorized(`error validating DeltaSet: ${why}`)
}
