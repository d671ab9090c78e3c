import {
  ChannelHeader,
  type Config,
  type ConfigGroup,
  ConfigUpdate,
  ConfigUpdateEnvelope,
  type Envelope,
  HeaderType,
  Payload,
  readBlock,
} from '@kumiko/fabric-protocol'
import { ordererBlock } from '@kumiko/golden-channel'
import { isFault } from '@kumiko/interface'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Policy } from '../policy/policy.ts'
import type { PolicyTree } from '../policy/policy-tree.ts'
import { channelBundle, readConfigTransaction } from './channel-bundle.ts'
import { channelMsp } from './channel-msp.ts'
import { computeConfigUpdate } from './compute-update.ts'
import { flattenConfig, unflattenConfig } from './config-map.ts'
import { type CurrentConfig, proposeConfigUpdate, validateConfigUpdate } from './config-update.ts'

const satisfied: Policy = { evaluate: () => undefined }
const openTree: PolicyTree = {
  path: 'Channel',
  groups: new Map(),
  policy: () => satisfied,
  policyOrReject: () => satisfied,
  group: () => openTree,
}

const name = fc.constantFrom('A', 'B', 'C')
const bytes = fc.uint8Array({ maxLength: 2 })
const version = fc.bigInt({ min: 0n, max: 3n })
const modPolicy = fc.constantFrom('Admins', '/Channel/Admins', 'A/Writers')
const map = <T>(value: fc.Arbitrary<T>) => fc.array(fc.tuple(name, value), { maxLength: 3 }).map((entries) => new Map(entries))

const group: fc.Arbitrary<ConfigGroup> = fc.letrec<{ group: ConfigGroup }>((tie) => ({
  group: fc.record({
    version,
    groups: fc.oneof({ maxDepth: 3 }, fc.constant(new Map()), map(tie('group'))),
    values: map(fc.record({ version, value: bytes, modPolicy })),
    policies: map(fc.record({ version, policy: fc.record({ type: fc.nat(3), value: bytes }), modPolicy })),
    modPolicy,
  }),
})).group

function envelopeOf(update: Uint8Array): Envelope {
  const none = new Uint8Array()
  const header = {
    type: HeaderType.configUpdate,
    version: 0,
    timestamp: undefined,
    channelId: 'ch',
    txId: '',
    epoch: 0n,
    extension: none,
    tlsCertHash: none,
  }
  const data = ConfigUpdateEnvelope.encode({ configUpdate: update, signatures: [] })
  const headers = { channelHeader: ChannelHeader.encode(header), signatureHeader: none }
  return { payload: Payload.encode({ header: headers, data }), signature: none }
}

function currentOf(config: Config): CurrentConfig {
  return { channelId: 'ch', config, policies: openTree, msps: { deserialize: () => ({ fault: 'none' }) } }
}

describe('computeConfigUpdate', () => {
  it('gives an update that makes the one configuration the other', () => {
    fc.assert(
      fc.property(group, group, (before, after) => {
        fc.pre(JSON.stringify(contentOf(before)) !== JSON.stringify(contentOf(after)))
        const config = { sequence: 7n, channelGroup: before }
        const update = computeConfigUpdate('ch', config, { sequence: 7n, channelGroup: after })
        const proposed = proposeConfigUpdate(currentOf(config), envelopeOf(ConfigUpdate.encode(update)))
        if (isFault(proposed)) throw new Error(proposed.detail)
        expect(contentOf(proposed.config?.channelGroup ?? before)).toEqual(contentOf(after))
        expect(proposed.config?.sequence).toBe(8n)
        expect(validateConfigUpdate(currentOf(config), proposed)).toBeUndefined()
      }),
      { numRuns: 500 },
    )
  })
})

describe('flattenConfig', () => {
  it('loses nothing', () => {
    fc.assert(
      fc.property(group, (tree) => {
        const flat = flattenConfig(tree)
        expect(isFault(flat) ? flat : unflattenConfig(flat)).toEqual(tree)
      }),
      { numRuns: 200 },
    )
  })
})

describe('reading a configuration', () => {
  it('makes a bundle or a fault of any update, and of any bytes', () => {
    const block = readBlock(ordererBlock(52))
    if (isFault(block)) throw new Error(block.detail)
    const original = block.data[0] ?? new Uint8Array()
    const changes = fc.array(fc.tuple(fc.nat(original.length - 1), fc.nat(255)), { maxLength: 3 })
    fc.assert(
      fc.property(changes, fc.uint8Array({ maxLength: 60 }), (edits, noise) => {
        const edited = original.slice()
        for (const [at, byte] of edits) edited[at] = byte
        for (const bytesOfTransaction of [edited, noise]) {
          const transaction = readConfigTransaction(bytesOfTransaction)
          if (isFault(transaction) || transaction.envelope.config === undefined) continue
          const { channelId, envelope } = transaction
          const bundle = channelBundle(channelId, envelope.config ?? { sequence: 0n, channelGroup: undefined }, channelMsp)
          if (!isFault(bundle)) validateConfigUpdate(bundle, envelope)
        }
        proposeConfigUpdate(currentOf({ sequence: 0n, channelGroup: undefined }), envelopeOf(noise))
      }),
      { numRuns: 200 },
    )
  })
})

/** In order, and without versions: those, an update sets. */
function contentOf(of: ConfigGroup): unknown {
  const sorted = <T>(entries: ReadonlyMap<string, T>, show: (value: T) => unknown) =>
    [...entries].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => [key, show(value)])
  return [
    of.modPolicy,
    sorted(of.groups, contentOf),
    sorted(of.values, ({ value, modPolicy: by }) => [[...value], by]),
    sorted(of.policies, ({ policy, modPolicy: by }) => [policy?.type, [...(policy?.value ?? [])], by]),
  ]
}
