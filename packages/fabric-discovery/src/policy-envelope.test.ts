import { ApplicationPolicyMessage, ConfigGroup, POLICY_TYPE, SignaturePolicyEnvelope } from '@kumiko/fabric-protocol'
import { expect, it } from 'vitest'
import { policyEnvelope } from './policy-envelope.ts'

const reference = ApplicationPolicyMessage.encode({ channelConfigPolicyReference: '/Channel/Application/Endorsement' })

it('reads a policy of the channel once, and that of another configuration anew', () => {
  const first = channelOf(1)
  const read = policyEnvelope(reference, first)
  expect(read).toMatchObject({ version: 1 })
  expect(policyEnvelope(reference, first)).toBe(read)
  expect(policyEnvelope(reference, channelOf(2))).toMatchObject({ version: 2 })
})

/** A channel whose policy is known by its version. */
function channelOf(version: number): ConfigGroup {
  const value = SignaturePolicyEnvelope.encode({ version })
  const policy = { version: 0n, policy: { type: POLICY_TYPE.signature, value }, modPolicy: '' }
  const application = ConfigGroup.create({ policies: new Map([['Endorsement', policy]]) })
  return ConfigGroup.create({ groups: new Map([['Application', application]]) })
}
