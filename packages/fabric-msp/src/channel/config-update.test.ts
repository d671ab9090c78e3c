import {
  ChannelHeader,
  type ConfigGroup,
  type ConfigPolicy,
  ConfigUpdate,
  ConfigUpdateEnvelope,
  type ConfigValue,
  type Envelope,
  HeaderType,
  Payload,
  POLICY_TYPE,
  SignatureHeader,
  SignaturePolicyEnvelope,
} from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import { describe, expect, it } from 'vitest'
import { anyMsps, signatureOf } from '../../test/identities.ts'
import { parsePolicy } from '../policy/policy-language.ts'
import { readPolicyTree } from '../policy/policy-tree.ts'
import { computeConfigUpdate } from './compute-update.ts'
import { flattenConfig, unflattenConfig } from './config-map.ts'
import { proposeConfigUpdate } from './config-update.ts'

const none = new Uint8Array()
const value = (modPolicy: string, content = none): ConfigValue => ({ version: 0n, value: content, modPolicy })
const adminsOf = (org: string): ConfigPolicy => ({
  version: 0n,
  policy: { type: POLICY_TYPE.signature, value: SignaturePolicyEnvelope.encode(parsePolicy(`OR('${org}.admin')`)) },
  modPolicy: 'Admins',
})
function group(
  admins: string,
  values: Record<string, ConfigValue>,
  groups: Record<string, ConfigGroup> = {},
  modPolicy = 'Admins',
): ConfigGroup {
  const policies = new Map([['Admins', adminsOf(admins)]])
  return { version: 0n, groups: new Map(Object.entries(groups)), values: new Map(Object.entries(values)), policies, modPolicy }
}

/** The root is Root's, Application is App's, and its organisation is Org's. */
function root(org: Record<string, ConfigValue> = {}, orgModPolicy = 'Admins', app: Record<string, ConfigValue> = {}): ConfigGroup {
  const own = {
    Own: value('Admins'),
    Absolute: value('/Channel/Application/Admins'),
    Below: value('Nothing/Admins'),
    ...org,
  }
  return group(
    'Root',
    {},
    { Application: group('App', { Ours: value('Org/Admins'), ...app }, { Org: group('Org', own, {}, orgModPolicy) }) },
  )
}

/** What becomes of the root if an admin signs the update to another. */
function propose(updated: ConfigGroup, signer: string) {
  const current = { sequence: 0n, channelGroup: root() }
  const policies = readPolicyTree('Channel', current.channelGroup)
  if (isFault(policies)) throw new Error(policies.detail)
  const update = ConfigUpdate.encode(computeConfigUpdate('ch', current, { ...current, channelGroup: updated }))
  const header = SignatureHeader.encode({ creator: new TextEncoder().encode(`${signer}.admin.x`), nonce: none })
  const signature = signatureOf(`${signer}.admin.x`, Uint8Array.from([...header, ...update]))
  const signed = ConfigUpdateEnvelope.encode({ configUpdate: update, signatures: [{ signatureHeader: header, signature }] })
  return proposeConfigUpdate({ channelId: 'ch', config: current, policies, msps: anyMsps }, envelopeOf(signed))
}

function envelopeOf(data: Uint8Array): Envelope {
  const fields = { type: HeaderType.configUpdate, version: 0, timestamp: undefined, channelId: 'ch', txId: '', epoch: 0n }
  const header = { channelHeader: ChannelHeader.encode({ ...fields, extension: none, tlsCertHash: none }), signatureHeader: none }
  return { payload: Payload.encode({ header, data }), signature: none }
}

describe('mod_policy', () => {
  const new1 = Uint8Array.of(1)

  it.each([
    ['of a value is its group’s', root({ Own: value('Admins', new1) }), 'Org'],
    ['may be absolute', root({ Absolute: value('/Channel/Application/Admins', new1) }), 'App'],
    ['may be that of a group below', root({}, 'Admins', { Ours: value('Org/Admins', new1) }), 'Org'],
    ['of a group is its own', root({ New: value('Admins') }), 'Org'],
    ['of a group counts as it was, not as it will be', root({}, '/Channel/Admins'), 'Org'],
  ])('%s', (_, updated, signer) => {
    for (const other of ['Root', 'App', 'Org']) expect(isFault(propose(updated, other))).toBe(other !== signer)
  })

  it('that is nowhere lets nobody change', () => {
    expect(propose(root({ Below: value('Nothing/Admins', new1) }), 'Root')).toEqual({
      fault: 'fabric-msp/config-update-refused',
      detail:
        'error authorizing update: error validating DeltaSet: unexpected missing policy Nothing/Admins for item [Value]  /Channel/Application/Org/Below',
    })
  })
})

describe('unflattenConfig', () => {
  it('mends a missing mod_policy where the orderer has capabilities, and only there', () => {
    const orderer = (values: Record<string, ConfigValue>) => group('Root', { ...values, Old: value('') }, {}, '')
    const made = (tree: ConfigGroup) => {
      const flat = flattenConfig(tree)
      const again = isFault(flat) ? flat : unflattenConfig(flat)
      if (isFault(again)) throw new Error(again.detail)
      const below = again.groups.get('Orderer')
      return [below?.modPolicy, below?.values.get('Old')?.modPolicy]
    }
    expect(made(group('Root', {}, { Orderer: orderer({}) }))).toEqual(['', ''])
    expect(made(group('Root', {}, { Orderer: orderer({ Capabilities: value('Admins') }) }))).toEqual(['Admins', 'Admins'])
  })

  it('has a fault for members that are not there', () => {
    const flat = flattenConfig(root())
    if (isFault(flat)) throw new Error(flat.detail)
    const cut = new Map([...flat].filter(([key]) => key !== '[Policy] /Channel/Application/Admins'))
    expect(unflattenConfig(cut)).toEqual({ fault: 'fabric-msp/bad-config', detail: 'missing [Policy] /Channel/Application/Admins' })
  })
})
