import { type ChannelBundle, channelBundle, channelMsp, parsePolicy, readConfigTransaction } from '@kumiko/fabric-msp'
import { ApplicationPolicyMessage, DefinitionArgs, readBlock, SignaturePolicyEnvelope, sha256 } from '@kumiko/fabric-protocol'
import { peerBlock } from '@kumiko/golden-channel'
import { must } from '@kumiko/testkit'
import { describe, expect, it } from 'vitest'
import { approveDefinition, approvedDefinition, approvedDefinitions } from '../src/approval.ts'
import type { ChaincodeDefinition } from '../src/chaincode-definition.ts'
import { CollectionConfigPackage, StaticCollection } from '../src/collection.ts'
import { checkCommitReadiness, commitDefinition, committedDefinition, definedChaincodes } from '../src/commit.ts'
import { assertCollectionsKept, assertDefinition } from '../src/definition-rules.ts'
import type { OpaqueState, RangeableState, WritableState } from '../src/lifecycle-state.ts'
import { proposedDefinition } from '../src/proposed-definition.ts'

/** Keys and values in memory: written at once, as if each call were a transaction of its own. */
function memory(mspId = ''): WritableState & RangeableState & OpaqueState & { readonly held: Map<string, Uint8Array> } {
  const held = new Map<string, Uint8Array>()
  return {
    held,
    mspId,
    getState: async (key) => held.get(key),
    getStateHash: async (key) => {
      const value = held.get(key)
      return value && sha256(value)
    },
    putState: async (key, value) => void held.set(key, value),
    deleteState: async (key) => void held.delete(key),
    range: async function* (startKey, endKey) {
      for (const [key, value] of [...held].sort()) if (key >= startKey && key < endKey) yield { key, value }
    },
  }
}

const bundle = ((): ChannelBundle => {
  const { channelId, envelope } = must(readConfigTransaction(must(must(readBlock(peerBlock(0))).data[0])))
  return must(channelBundle(channelId, must(envelope.config), channelMsp))
})()

const collection = (changes: Partial<StaticCollection> = {}): StaticCollection =>
  StaticCollection.create({
    name: 'secret',
    memberOrgsPolicy: { signaturePolicy: policy("OR('Org1MSP.member')") },
    maximumPeerCount: 1,
    ...changes,
  })

function policy(text: string): Uint8Array {
  return SignaturePolicyEnvelope.encode(must(parsePolicy(text)))
}

function packageOf(...collections: StaticCollection[]): CollectionConfigPackage {
  return { config: collections.map((staticCollection) => ({ staticCollection })) }
}

const args = DefinitionArgs.create({ name: 'cc', version: '1.0', sequence: 1n })
const definition = (changes: Partial<DefinitionArgs> = {}): ChaincodeDefinition => proposedDefinition({ ...args, ...changes }, bundle)

const approve = async (publicState: WritableState, orgState: WritableState, of: ChaincodeDefinition, packageId = 'cc:1') =>
  await approveDefinition({ channelId: 'mychannel', chaincode: 'cc', definition: of, packageId }, { publicState, orgState })

describe('a definition', () => {
  it('is approved by each organisation, agreed to, committed, and followed by the next', async () => {
    const [publicState, one, two] = [memory(), memory('Org1MSP'), memory('Org2MSP')]
    const first = definition()
    await approve(publicState, one, first)
    expect(await checkCommitReadiness('cc', first, publicState, [one, two])).toEqual({
      approvals: new Map([
        ['Org1MSP', true],
        ['Org2MSP', false],
      ]),
      mismatches: new Map([['Org2MSP', ['ChaincodeParameters']]]),
    })
    await approve(publicState, two, definition({ version: '2.0', initRequired: true }))
    const { mismatches } = await checkCommitReadiness('cc', first, publicState, [one, two])
    expect(mismatches).toEqual(new Map([['Org2MSP', ['EndorsementInfo']]]))
    await approve(publicState, two, first, '')
    const { approvals } = await commitDefinition('cc', first, publicState, [one, two])
    expect([...approvals.values()]).toEqual([true, true])
    expect(await committedDefinition('cc', publicState)).toEqual(first)
    expect(await definedChaincodes(publicState)).toEqual(['cc'])
    await approve(publicState, one, definition({ sequence: 2n, version: '2.0' }))
    expect(await approvedDefinition({ channelId: 'c', chaincode: 'cc', sequence: 0n }, { publicState, orgState: one })).toMatchObject({
      sequence: 2n,
      endorsementInfo: { version: '2.0' },
      source: { localPackage: { packageId: 'cc:1' } },
    })
    expect(await approvedDefinitions('c', two)).toMatchObject([{ chaincode: 'cc', sequence: 1n, source: { unavailable: {} } }])
  })

  it('may be approved again for the same sequence where another package runs it, and else not', async () => {
    const [publicState, one] = [memory(), memory('Org1MSP')]
    await approve(publicState, one, definition())
    await expect(approve(publicState, one, definition())).rejects.toThrow(
      'attempted to redefine uncommitted sequence (1) for namespace cc with unchanged content',
    )
    await commitDefinition('cc', definition(), publicState, [one])
    await expect(approve(publicState, one, definition())).rejects.toThrow(
      'attempted to redefine the current committed sequence (1) for namespace cc',
    )
    await approve(publicState, one, definition(), 'cc:2')
    expect(await approvedDefinition({ channelId: 'c', chaincode: 'cc', sequence: 1n }, { publicState, orgState: one })).toMatchObject({
      source: { localPackage: { packageId: 'cc:2' } },
    })
    const others: readonly [Partial<DefinitionArgs>, string][] = [
      [{ endorsementPlugin: 'x' }, "expected EndorsementPlugin 'escc' does not match passed EndorsementPlugin 'x'"],
      [{ initRequired: true }, "expected InitRequired 'false' does not match passed InitRequired 'true'"],
      [{ validationPlugin: 'x' }, "expected ValidationPlugin 'vscc' does not match passed ValidationPlugin 'x'"],
      [{ validationParameter: Uint8Array.of(0xab) }, "does not match passed ValidationParameter 'ab'"],
      [{ collections: CollectionConfigPackage.encode(packageOf(collection())) }, 'Collections do not match'],
    ]
    for (const [changes, words] of others) await expect(approve(publicState, one, definition(changes))).rejects.toThrow(words)
  })

  it('comes in order', async () => {
    const [publicState, one] = [memory(), memory('Org1MSP')]
    const refusal = async (sequence: bigint) => await approve(publicState, one, definition({ sequence })).catch(String)
    expect(await refusal(0n)).toContain('requested sequence is 0, but first definable sequence number is 1')
    expect(await refusal(2n)).toContain('requested sequence 2 is larger than the next available sequence number 1')
    await approve(publicState, one, definition())
    await commitDefinition('cc', definition(), publicState, [one])
    expect(await refusal(0n)).toContain('currently defined sequence 1 is larger than requested sequence 0')
    await expect(commitDefinition('cc', definition(), publicState, [one])).rejects.toThrow(
      'requested sequence is 1, but new definition must be sequence 2',
    )
    await expect(committedDefinition('other', publicState)).rejects.toMatchObject({ code: 'fabric-lifecycle/not-defined' })
    await expect(approvedDefinition({ channelId: 'c', chaincode: 'o', sequence: 0n }, { publicState, orgState: one })).rejects.toThrow(
      "could not fetch approved chaincode definition (name: 'o', sequence: '0') on channel 'c'",
    )
  })

  it('that the state has otherwise than it should is refused, not read', async () => {
    const [publicState, one] = [memory(), memory('Org1MSP')]
    await commitDefinition('cc', definition(), publicState, [one])
    for (const key of [...publicState.held.keys()]) {
      const damaged = memory()
      for (const [each, value] of publicState.held) damaged.held.set(each, each === key ? Uint8Array.of(0xff) : value)
      await expect(committedDefinition('cc', damaged)).rejects.toMatchObject({ code: 'fabric-lifecycle/refused' })
    }
    one.held.set('namespaces/metadata/cc', publicState.held.get('namespaces/metadata/cc') ?? new Uint8Array())
    await expect(approvedDefinitions('c', one)).rejects.toThrow('invalid private name format: cc')
  })
})

describe('proposedDefinition', () => {
  it('fills in what the client left out', () => {
    const { endorsementInfo, validationInfo, collections } = definition()
    expect([endorsementInfo.endorsementPlugin, validationInfo.validationPlugin, collections.config]).toEqual(['escc', 'vscc', []])
    expect(ApplicationPolicyMessage.decode(validationInfo.validationParameter)).toMatchObject({
      channelConfigPolicyReference: '/Channel/Application/Endorsement',
    })
    const policies = { ...bundle.policies, policy: () => undefined }
    expect(() => proposedDefinition(args, { channelId: 'c', policies })).toThrow(
      "policy '/Channel/Application/Endorsement' must be defined for channel 'c' before chaincode operations can be attempted",
    )
  })

  it('writes collections as Go does, whatever order they came in', () => {
    const canonical = policy("OR('Org1MSP.member')")
    const shuffled = StaticCollection.create({ name: 'secret', memberOrgsPolicy: { signaturePolicy: reversedFields(canonical) } })
    const { collections } = definition({ collections: CollectionConfigPackage.encode(packageOf(shuffled)) })
    expect(collections.config[0]?.staticCollection?.memberOrgsPolicy?.signaturePolicy).toEqual(canonical)
    expect(() => definition({ collections: Uint8Array.of(0xff) })).toThrow('could not decode input arg')
  })
})

/** The same message, its top fields in the opposite order; each shorter than 128 bytes. */
function reversedFields(source: Uint8Array): Uint8Array {
  const fields: Uint8Array[] = []
  for (let at = 0; at < source.length; ) {
    const size = (source[at] ?? 0) % 8 === 2 ? 2 + (source[at + 1] ?? 0) : 2
    fields.unshift(source.subarray(at, at + size))
    at += size
  }
  return new Uint8Array(fields.flatMap((field) => [...field]))
}

describe('what a definition may be', () => {
  const refusal = (chaincode: string, version: string, ...collections: StaticCollection[]) => {
    try {
      assertDefinition({ chaincode, version, collections: packageOf(...collections) }, bundle)
      return
    } catch (error) {
      return error instanceof Error ? error.message.replace('error validating chaincode definition: ', '') : error
    }
  }

  it('is said of names', () => {
    for (const name of ['a', 'a-b_c', 'A1']) expect(refusal(name, '1.0+x')).toBeUndefined()
    for (const name of ['', '-a', 'a--b', 'a/b', 'a b', 'ä']) expect(refusal(name, '1')).toMatch(/^invalid chaincode name/)
    expect(refusal('lscc', '1')).toBe("chaincode name 'lscc' is the name of a system chaincode")
    for (const version of ['', 'a/b', 'a b']) expect(refusal('a', version)).toMatch(/^invalid chaincode version/)
  })

  it('is said of collections', () => {
    const of = (...changes: Partial<StaticCollection>[]) => refusal('a', '1', ...changes.map(collection))
    const members = (text: string) => ({ memberOrgsPolicy: { signaturePolicy: policy(text) } })
    expect(of({}, { name: 'b' })).toBeUndefined()
    expect(of({ name: '_a' })).toMatch(/^invalid collection name '_a'/)
    expect(of({}, {})).toBe('collection-name: secret -- found duplicate in collection configuration')
    expect(of({ requiredPeerCount: 2 })).toBe(
      'collection-name: secret -- maximum peer count (1) cannot be less than the required peer count (2)',
    )
    expect(of({ requiredPeerCount: -1 })).toBe('collection-name: secret -- requiredPeerCount (-1) cannot be less than zero')
    expect(of({ memberOrgsPolicy: undefined })).toBe("collection member policy is not set for collection 'secret'")
    expect(of({ memberOrgsPolicy: { signaturePolicy: undefined } })).toBe("collection member org policy is empty for collection 'secret'")
    expect(of({ memberOrgsPolicy: { signaturePolicy: new Uint8Array() } })).toMatch(/^invalid member org policy for collection 'secret'/)
    expect(of(members("AND('Org1MSP.member','Org1MSP.admin')"))).toBe(
      'collection-name: secret -- error in member org policy: signature policy is not an OR concatenation, NOutOf 2',
    )
    const { rule, identities } = must(SignaturePolicyEnvelope.decode(policy("OR('Org1MSP.member')")))
    const withClass = (principalClassification: number) => {
      const changed = { version: 0, rule, identities: identities.map((identity) => ({ ...identity, principalClassification })) }
      return of({ memberOrgsPolicy: { signaturePolicy: SignaturePolicyEnvelope.encode(changed) } })
    }
    expect([3, 4, 9].map(withClass)).toEqual(
      ['ANONYMITY', 'COMBINED', '9'].map((name) => `collection-name: secret -- principal type ${name} is not supported`),
    )
    expect(of(members("OR('Org9MSP.member')"))).toBe("collection-name: secret -- collection member 'Org9MSP' is not part of the channel")
  })

  it('is said of collections that are committed', () => {
    const committed = packageOf(collection({ blockToLive: 3n }))
    expect(() => assertCollectionsKept(packageOf(), committed)).toThrow('does not contain previously defined collections')
    expect(() => assertCollectionsKept(packageOf(collection({ name: 'b' })), committed)).toThrow(
      'existing collection [secret] missing in the proposed collection configuration',
    )
    expect(() => assertCollectionsKept(packageOf(collection()), committed)).toThrow(
      'the BlockToLive in an existing collection [secret] modified. Existing value [3]',
    )
    assertCollectionsKept(packageOf(collection({ blockToLive: 3n }), collection({ name: 'b' })), committed)
    assertCollectionsKept(packageOf(), packageOf())
  })
})
