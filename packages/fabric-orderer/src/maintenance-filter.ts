import { type ConfigEnvelope, ConfigUpdate, ConfigUpdateEnvelope, equalBytes, readPayload } from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import type { OrderedBundle } from './message-filters.ts'

const STATES = ['STATE_NORMAL', 'STATE_MAINTENANCE']

/**
 * Checks how a configuration may follow another where the type of consensus, or maintenance, is concerned. The type itself never changes here:
 * no orderer of ours can be made one of another kind.
 * @returns What is wrong, in Fabric's words.
 * @see Fabric `orderer/common/msgprocessor/maintenancefilter.go`
 */
export function maintenanceProblem(current: OrderedBundle, next: OrderedBundle, envelope: ConfigEnvelope): string | undefined {
  const [before, after] = [current.orderer.consensus, next.orderer.consensus]
  if (before.state !== after.state) {
    const states = `from ${STATES[before.state] ?? before.state} to ${STATES[after.state] ?? after.state}`
    const problem = otherChange(envelope)
    if (problem !== undefined) return problem
    if (before.type !== after.type)
      return `attempted to change ConsensusType.Type from ${before.type} to ${after.type}, but ConsensusType.State is changing ${states}`
    if (!equalBytes(before.metadata, after.metadata))
      return `attempted to change ConsensusType.Metadata, but ConsensusType.State is changing ${states}`
  }
  if (before.type === after.type) return
  const change = `attempted to change consensus type from ${before.type} to ${after.type}`
  if (before.state === 0) return `${change}, but current config ConsensusType.State is not in maintenance mode`
  if (after.state === 0) return `${change}, but next config ConsensusType.State is not in maintenance mode`
  return `${change}, transition not supported`
}

/** What an update changes besides the type of consensus. */
function otherChange({ lastUpdate }: ConfigEnvelope): string | undefined {
  const payload = lastUpdate && readPayload(lastUpdate.payload)
  const envelope = payload === undefined || isFault(payload) ? undefined : ConfigUpdateEnvelope.decode(payload.data)
  const update = envelope === undefined || isFault(envelope) ? undefined : ConfigUpdate.decode(envelope.configUpdate)
  if (update === undefined || isFault(update)) return 'config update unmarshalling error'
  const { writeSet } = update
  if (writeSet === undefined || writeSet.groups.size === 0) return 'config update contains no changes'
  if (writeSet.values.size > 0) return 'config update contains changes to values in group Channel'
  if (writeSet.groups.size > 1) return 'config update contains changes to more than one group'
  const orderer = writeSet.groups.get('Orderer')
  if (orderer === undefined) return 'update does not contain the Orderer group'
  if (orderer.groups.size > 0) return 'config update contains changes to groups within the Orderer group'
  if (!orderer.values.has('ConsensusType')) return 'config update does not contain the ConsensusType value'
  if (orderer.values.size > 1) return 'config update contain more then just the ConsensusType value in the Orderer group'
  return
}
