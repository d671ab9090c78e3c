import {
  BatchSize,
  type Config,
  type ConfigEnvelope,
  type ConfigGroup,
  ConfigUpdate,
  ConfigUpdateEnvelope,
  type Envelope,
  isSameMessage,
  Payload,
  readBlock,
  readBlockSignatures,
  unknownFields,
} from '@kumiko/fabric-protocol'
import { GOLDEN_HEIGHT, ordererBlock } from '@kumiko/golden-channel'
import { isFault } from '@kumiko/interface'
import { must } from '@kumiko/testkit'
import { describe, expect, it } from 'vitest'
import {
  type ChannelBundle,
  channelBundle,
  nextChannelBundle,
  readConfigTransaction,
  successionFault,
} from '../src/channel/channel-bundle.ts'
import { channelMsp } from '../src/channel/channel-msp.ts'
import { computeConfigUpdate } from '../src/channel/compute-update.ts'
import { proposeConfigUpdate, validateConfigUpdate } from '../src/channel/config-update.ts'
import type { X509Msp } from '../src/msp.ts'
import { evaluateSignedData } from '../src/policy/policy.ts'

function transactionOf(number: number): { channelId: string; envelope: ConfigEnvelope } {
  const [bytes] = must(readBlock(ordererBlock(number))).data
  return must(readConfigTransaction(must(bytes)))
}

function bundleOf(number: number): ChannelBundle<X509Msp> {
  const { channelId, envelope } = transactionOf(number)
  return must(channelBundle(channelId, must(envelope.config), channelMsp))
}

const genesis = bundleOf(0)
const next = transactionOf(52).envelope

/** The recorded update, changed. */
function changed(change: (update: ConfigUpdate) => ConfigUpdate, isSigned = true): Envelope {
  const outer = must(Payload.decode(must(next.lastUpdate).payload))
  const envelope = must(ConfigUpdateEnvelope.decode(outer.data))
  const update = ConfigUpdate.encode(change(must(ConfigUpdate.decode(envelope.configUpdate))))
  const data = ConfigUpdateEnvelope.encode({ configUpdate: update, signatures: isSigned ? envelope.signatures : [] })
  return { payload: Payload.encode({ ...outer, data }), signature: new Uint8Array() }
}

function withGroup(group: ConfigGroup | undefined, name: string, change: (group: ConfigGroup) => ConfigGroup): ConfigGroup {
  const groups = new Map(must(group).groups)
  groups.set(name, change(must(groups.get(name))))
  return { ...must(group), groups }
}

describe('the genesis block', () => {
  it('makes a bundle', () => {
    expect(genesis.channelId).toBe('mychannel')
    expect(genesis.config.sequence).toBe(0n)
    expect(genesis.orderer).toMatchObject({
      batchSize: { maxMessageCount: 10, absoluteMaxBytes: 10_485_760, preferredMaxBytes: 524_288 },
      batchTimeoutMs: 500,
      channelsMax: 0n,
      consensus: { type: 'etcdraft', state: 0 },
      capabilities: new Set(['V2_0']),
    })
    expect([...(genesis.orderer?.organizations.values() ?? [])].map(({ name, mspId, endpoints }) => ({ name, mspId, endpoints }))).toEqual([
      { name: 'OrdererOrg', mspId: 'OrdererMSP', endpoints: ['127.0.0.1:7050'] },
    ])
    const [org] = genesis.application?.organizations.values() ?? []
    expect(org).toMatchObject({ name: 'Org1', mspId: 'Org1MSP', anchorPeers: [{ host: '127.0.0.1', port: 7051 }] })
    expect(genesis.application).toMatchObject({ capabilities: new Set(['V2_5']), acls: new Map() })
    expect(genesis).toMatchObject({ capabilities: new Set(['V2_0']), consortiumName: '', ordererAddresses: [], consortiums: undefined })
    expect(genesis.msps.msp('Org1MSP')).toBe(org?.msp)
    for (const name of ['Endorsement', 'LifecycleEndorsement', 'Readers', 'Writers', 'Admins']) {
      expect(genesis.policies.policy(`/Channel/Application/${name}`)).toBeDefined()
    }
  })

  it('is refused with capabilities that this package does not have, by name', () => {
    const { channelGroup } = genesis.config
    const older = (name: 'Application' | 'Orderer', capabilities: string) =>
      channelBundle(
        'mychannel',
        {
          sequence: 0n,
          channelGroup: withGroup(channelGroup, name, (group) => ({
            ...group,
            values: new Map(group.values).set('Capabilities', {
              version: 0n,
              modPolicy: 'Admins',
              value: Uint8Array.from([
                0x0a,
                capabilities.length + 4,
                0x0a,
                capabilities.length,
                ...new TextEncoder().encode(capabilities),
                0x12,
                0,
              ]),
            }),
          })),
        },
        channelMsp,
      )
    expect(older('Application', 'V1_4_2')).toEqual({
      fault: 'fabric-msp/capability-unsupported',
      detail: 'Application has capability V1_4_2: V2_0 or V2_5 is needed',
    })
    expect(older('Application', 'V9_0')).toEqual({
      fault: 'fabric-msp/capability-unsupported',
      detail: 'Application capability V9_0 is required but not supported: V2_0 and V2_5 are',
    })
    expect(older('Orderer', 'V1_1')).toMatchObject({ fault: 'fabric-msp/capability-unsupported' })
    expect(isFault(older('Application', 'V2_0'))).toBe(false)
  })

  it.each<[string, (root: ConfigGroup) => ConfigGroup]>([
    ['has no hashing algorithm', (root) => ({ ...root, values: without(root.values, 'HashingAlgorithm') })],
    ['has an odd value', (root) => ({ ...root, values: new Map(root.values).set('Odd', valueWith(new Uint8Array())) })],
    ['has an unreadable value', (root) => ({ ...root, values: new Map(root.values).set('Consortium', valueWith(Uint8Array.of(255))) })],
    ['has an odd group', (root) => ({ ...root, groups: new Map(root.groups).set('Odd', must(root.groups.get('Orderer'))) })],
    ['has a name with a slash', (root) => ({ ...root, policies: new Map([...root.policies, ['A/B', must(root.policies.get('Admins'))]]) })],
    ['has a batch of nothing', (root) => withGroup(root, 'Orderer', (group) => ({ ...group, values: without(group.values, 'BatchSize') }))],
    [
      'has no batch timeout',
      (root) => withGroup(root, 'Orderer', (group) => ({ ...group, values: without(group.values, 'BatchTimeout') })),
    ],
    [
      'has an organization without MSP',
      (root) => withGroup(root, 'Application', (group) => withGroup(group, 'Org1', (org) => ({ ...org, values: new Map() }))),
    ],
    [
      'has two MSPs of one id',
      (root) =>
        withGroup(root, 'Application', (group) => {
          const org = must(group.groups.get('Org1'))
          const msp = must(org.values.get('MSP'))
          const other = { ...org, values: new Map(org.values).set('MSP', { ...msp, value: Uint8Array.from([...msp.value, 0x78, 1]) }) }
          return { ...group, groups: new Map([...group.groups, ['Org2', other]]) }
        }),
    ],
  ])('is refused where it %s', (_, change) => {
    const config: Config = { sequence: 0n, channelGroup: change(must(genesis.config.channelGroup)) }
    expect(channelBundle('mychannel', config, channelMsp)).toMatchObject({ fault: 'fabric-msp/bad-config' })
  })
})

describe('block 52', () => {
  it('carries what its update makes of block 0, with signatures enough', () => {
    expect(validateConfigUpdate(genesis, next)).toBeUndefined()
    const proposed = must(proposeConfigUpdate(genesis, must(next.lastUpdate)))
    expect(proposed.config).toEqual(next.config)
    const bundle = bundleOf(52)
    expect(bundle.orderer?.batchSize.maxMessageCount).toBe(20)
    expect(bundle.config.sequence).toBe(1n)
    expect(successionFault(genesis, bundle)).toBeUndefined()
  })

  it('makes the next bundle, of which it cannot be the next again', () => {
    const bundle = must(nextChannelBundle(genesis, next, channelMsp))
    expect(bundle.orderer?.batchSize.maxMessageCount).toBe(20)
    expect(nextChannelBundle(bundle, next, channelMsp)).toEqual({
      fault: 'fabric-msp/config-update-refused',
      detail: 'config currently at sequence 1, cannot validate config at sequence 1',
    })
  })

  it('carries the update that configtxlator computed of the two', () => {
    const original = changed((update) => {
      const computed = computeConfigUpdate('mychannel', genesis.config, must(next.config))
      expect(isSameMessage(ConfigUpdate, computed, update)).toBe(true)
      return computed
    })
    // It is the same to the byte, so the signatures over it hold.
    expect(isFault(proposeConfigUpdate(genesis, original))).toBe(false)
  })

  const refusal = (update: Envelope) => proposeConfigUpdate(genesis, update)
  const orderer = '/Channel/Orderer'

  it.each<[string, Envelope, string]>([
    [
      'is not signed',
      changed((update) => update, false),
      `error authorizing update: error validating DeltaSet: policy for [Value]  ${orderer}/BatchSize not satisfied: `,
    ],
    [
      'was changed after it was signed',
      changed((update) => ({ ...update, isolatedData: new Map([['a', Uint8Array.of(1)]]) })),
      'not satisfied',
    ],
    [
      'is for another channel',
      changed((update) => ({ ...update, channelId: 'other' })),
      "ConfigUpdate for channel 'other' but envelope for channel 'mychannel'",
    ],
    [
      'read another version',
      changed((update) => ({ ...update, readSet: { ...must(update.readSet), version: 4n } })),
      'proposed update requires that key [Group]  /Channel be at version 4, but it is currently at version 0',
    ],
    ['read what is not there', changed((update) => ({ ...update, readSet: renamed(must(update.readSet)) })), 'but was in the read set'],
    [
      'changes nothing',
      changed((update) => ({ ...update, writeSet: update.readSet })),
      'delta set was empty -- update would have no effect',
    ],
    [
      'jumps a version',
      changed((update) => ({ ...update, writeSet: batchSizeAs(must(update.writeSet), { version: 2n }) })),
      `attempt to set key [Value]  ${orderer}/BatchSize to version 2, but key is at version 0`,
    ],
    [
      'has no mod_policy',
      changed((update) => ({ ...update, writeSet: batchSizeAs(must(update.writeSet), { modPolicy: '' }) })),
      `[Value]  ${orderer}/BatchSize: mod_policy not set`,
    ],
    [
      'has a malformed mod_policy',
      changed((update) => ({ ...update, writeSet: batchSizeAs(must(update.writeSet), { modPolicy: '/Channel//Admins' }) })),
      `[Value]  ${orderer}/BatchSize: mod_policy: the name '' is not made of`,
    ],
    [
      'makes something new at another version than 0',
      changed((update) => ({
        ...update,
        writeSet: withGroup(update.writeSet, 'Orderer', (group) => ({
          ...group,
          values: new Map().set('New', { version: 1n, value: new Uint8Array(), modPolicy: 'Admins' }),
        })),
      })),
      `attempted to set key [Value]  ${orderer}/New to version 1, but key does not exist`,
    ],
    ['is no update', { payload: must(next.lastUpdate).payload.subarray(0, 1), signature: new Uint8Array() }, 'common.Payload'],
  ])('is refused where it %s', (_, update, detail) => {
    expect(refusal(update)).toMatchObject({
      fault: expect.stringMatching(/^fabric-(msp|protocol)\//),
      detail: expect.stringContaining(detail),
    })
  })

  it('is refused where it lies about the result', () => {
    const config = must(next.config)
    const lie = withGroup(config.channelGroup, 'Orderer', (group) => {
      const value = BatchSize.encode({ maxMessageCount: 21, absoluteMaxBytes: 10_485_760, preferredMaxBytes: 524_288 })
      return { ...group, values: new Map(group.values).set('BatchSize', { ...must(group.values.get('BatchSize')), value }) }
    })
    const fault = (changes: Partial<ConfigEnvelope>) => validateConfigUpdate(genesis, { ...next, ...changes })?.detail
    expect(fault({ config: { ...config, channelGroup: lie } })).toBe('ConfigEnvelope LastUpdate did not produce the supplied config result')
    expect(fault({ config: { ...config, sequence: 2n } })).toBe('config currently at sequence 0, cannot validate config at sequence 2')
    expect(fault({ lastUpdate: undefined })).toBe('there is no last_update')
    expect(fault({ config: undefined })).toBe('there is no config')
    const extra = { ...must(config.channelGroup), [unknownFields]: [Uint8Array.of(0x78, 1)] }
    expect(fault({ config: { ...config, channelGroup: extra } })).toBe(
      'ConfigEnvelope LastUpdate did not produce the supplied config result',
    )
  })

  it('may come in another order on the wire', () => {
    const root = must(must(next.config).channelGroup)
    const turned = { ...root, values: new Map([...root.values].reverse()), groups: new Map([...root.groups].reverse()) }
    expect(validateConfigUpdate(genesis, { ...next, config: { ...must(next.config), channelGroup: turned } })).toBeUndefined()
  })
})

describe('successionFault', () => {
  const renamedOrg = (mspId: string): ChannelBundle<X509Msp> => {
    const { application } = genesis
    const org = must(application?.organizations.get('Org1'))
    return { ...genesis, application: { ...must(application), organizations: new Map([['Org1', { ...org, mspId }]]) } }
  }

  it('lets organizations come and go, and nothing else', () => {
    const { orderer: _, ...rest } = genesis
    const consortiums = { ...genesis, consortiums: new Map() }
    const none = { ...genesis, application: { ...must(genesis.application), organizations: new Map() } }
    expect(successionFault(genesis, none)).toBeUndefined()
    expect(successionFault(none, genesis)).toBeUndefined()
    expect(successionFault(genesis, { ...rest, orderer: undefined })?.detail).toBe('the orderer section is gone')
    expect(successionFault({ ...rest, orderer: undefined }, genesis)).toBeUndefined()
    expect(successionFault(genesis, { ...genesis, application: undefined })?.detail).toBe('the application section is gone')
    expect(successionFault(genesis, consortiums)?.detail).toBe('the consortiums section came or went')
    expect(successionFault(genesis, renamedOrg('OtherMSP'))?.detail).toBe('organization Org1 would change its MSP id from Org1MSP')
  })
})

describe('the orderer’s signature', () => {
  it('is enough for /Channel/Orderer/BlockValidation, on every block', () => {
    const policy = must(genesis.policies.policy('/Channel/Orderer/BlockValidation'))
    const wrong: number[] = []
    for (let number = 1; number < GOLDEN_HEIGHT; number++) {
      const block = must(readBlock(ordererBlock(number)))
      const signed = must(readBlockSignatures(block)).flatMap(({ signer, signature, message }) =>
        signer.by === 'identity' ? [{ identity: signer.identity, signature, message }] : [],
      )
      if (evaluateSignedData(policy, signed, genesis.msps) !== undefined) wrong.push(number)
      const forged = signed.map((data) => ({ ...data, message: Uint8Array.from([...data.message, 0]) }))
      if (evaluateSignedData(policy, forged, genesis.msps) === undefined) wrong.push(-number)
    }
    expect(wrong).toEqual([])
  })
})

function without<T>(map: ReadonlyMap<string, T>, key: string): ReadonlyMap<string, T> {
  return new Map([...map].filter(([name]) => name !== key))
}

function valueWith(value: Uint8Array) {
  return { version: 0n, value, modPolicy: 'Admins' }
}

function renamed(group: ConfigGroup): ConfigGroup {
  return { ...group, groups: new Map([...group.groups].map(([name, below]) => [`${name}2`, below])) }
}

function batchSizeAs(root: ConfigGroup, changes: object): ConfigGroup {
  return withGroup(root, 'Orderer', (group) => ({
    ...group,
    values: new Map(group.values).set('BatchSize', { ...must(group.values.get('BatchSize')), ...changes }),
  }))
}
