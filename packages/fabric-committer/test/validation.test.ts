import { type Ledger, memoryStateDatabase, type OpenStateDatabase } from '@kumiko/fabric-ledger'
import { applicationPolicyOf, type ChaincodeDefinition } from '@kumiko/fabric-lifecycle'
import {
  ApplicationPolicyMessage,
  type KVMetadataEntry,
  type SimulatedNamespace,
  ValidationCode,
  writeReadWriteSet,
} from '@kumiko/fabric-protocol'
import { must } from '@kumiko/testkit'
import { Authority, signaturePolicyBytes } from '@kumiko/testkit/fabric'
import { afterEach, describe, expect, it } from 'vitest'
import { Channel } from '../src/channel.ts'
import { temporaryLedger } from './golden.ts'
import { CHAINCODE, collections, keyPolicyWrite, Network, text, writes } from './network.ts'

const {
  valid,
  duplicateTxid,
  endorsementPolicyFailure,
  mvccReadConflict,
  phantomReadConflict,
  badRwset,
  illegalWriteset,
  invalidWriteset,
  invalidChaincode,
} = ValidationCode

const opened: AsyncDisposable[] = []
afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each[Symbol.asyncDispose]()
})

/** A network, whose blocks a channel takes. */
class Scene {
  readonly network: Network
  readonly channel: Channel
  readonly ledger: Ledger

  private constructor(network: Network, channel: Channel, ledger: Ledger) {
    this.network = network
    this.channel = channel
    this.ledger = ledger
  }

  static async open(network: Network, openState: OpenStateDatabase = memoryStateDatabase()): Promise<Scene> {
    const ledger = await temporaryLedger(openState, network.genesis, network.channelId)
    const channel = await Channel.open({ ledger })
    opened.push(ledger, { [Symbol.asyncDispose]: () => channel.close() })
    return new Scene(network, channel, ledger)
  }

  /** Two organisations, whose chaincode both must endorse. */
  static async defined(change: Partial<ChaincodeDefinition> = {}, organizations = 2): Promise<Scene> {
    const scene = await Scene.open(await Network.make(organizations))
    expect(await scene.codes(scene.network.definition(CHAINCODE, change))).toEqual([valid])
    return scene
  }

  /** Commits a block of transactions. */
  async codes(...items: readonly Uint8Array[]): Promise<readonly number[]> {
    return [...must(await this.channel.store(this.network.block(...items))).codes]
  }

  get one(): Network['client'] {
    return must(this.network.peers[0])
  }

  get two(): Network['client'] {
    return must(this.network.peers[1])
  }

  /** A transaction that writes. @param endorsers - Default: all. */
  put(namespace: SimulatedNamespace | Readonly<Record<string, string>>, endorsers = this.network.peers): Uint8Array {
    const isNamespace = 'rangeQueries' in namespace && typeof namespace.rangeQueries !== 'string'
    const simulated = isNamespace ? (namespace as SimulatedNamespace) : writes(CHAINCODE, namespace as Readonly<Record<string, string>>)
    return this.network.transaction({ namespaces: [simulated], endorsers })
  }

  /** A transaction that gives a key a policy of its own, and takes part in nothing else. */
  guard(key: string, policy: string, endorsers = this.network.peers): Uint8Array {
    return this.put(writes(CHAINCODE, {}, { metadataWrites: [keyPolicyWrite(key, policy)] }), endorsers)
  }
}

/** A namespace with writes to a collection. */
function hidden(
  collection: string,
  written: readonly string[],
  metadataWrites: SimulatedNamespace['metadataWrites'] = [],
  namespace: string = CHAINCODE,
): SimulatedNamespace {
  const entries = written.map((key) => ({ key, value: text('secret') }))
  return writes(namespace, {}, { collections: [{ collection, reads: [], writes: entries, metadataWrites }] })
}

const ORG1 = "OR('Org1MSP.peer')"
const ORG2 = "OR('Org2MSP.peer')"

describe('a chaincode’s policy', () => {
  it('must be satisfied by members who signed', async () => {
    const scene = await Scene.defined()
    const { network, one, two } = scene
    const stranger = await (await Authority.found('OtherMSP')).member('peer')
    const pretender = await must(network.authorities[0]).member('peer', { mspId: 'Org2MSP' })
    const other = await must(network.authorities[0]).member('peer')
    const ended = await must(network.authorities[1]).member('peer', { to: '2021-01-01T00:00:00Z' })
    expect(
      await scene.codes(
        scene.put({ a: '1' }),
        scene.put({ b: '1' }, [one]),
        scene.put({ c: '1' }, []),
        scene.put({ d: '1' }, [one, other]),
        scene.put({ e: '1' }, [one, stranger]),
        scene.put({ f: '1' }, [one, pretender]),
        scene.put({ g: '1' }, [other, two]),
        scene.put({ h: '1' }, [one, ended]),
        scene.put({}, [one]),
        scene.put({}),
        network.transaction({ endorsements: ([first, second]) => [must(first), { ...must(second), signature: must(first).signature }] }),
        network.transaction({ endorsements: ([first, second]) => [must(second), must(first)] }),
      ),
    ).toEqual([valid, 10, 10, 10, 10, 10, valid, valid, 10, valid, 10, valid])
  })

  it('may be the channel’s, or one that is not there', async () => {
    const scene = await Scene.open(await Network.make(2))
    const named = (channelConfigPolicyReference: string) => ({
      validationInfo: { validationPlugin: 'vscc', validationParameter: ApplicationPolicyMessage.encode({ channelConfigPolicyReference }) },
    })
    const { network, one } = scene
    await scene.codes(
      network.definition('majority', named('/Channel/Application/Endorsement')),
      network.definition('one', named('/Channel/Application/Org1/Endorsement')),
      network.definition('none', named('/Channel/Application/None')),
      network.definition('odd', { validationInfo: { validationPlugin: 'vscc', validationParameter: text('odd') } }),
      network.definition('empty', { validationInfo: { validationPlugin: 'vscc', validationParameter: new Uint8Array() } }),
      network.definition('bare', { validationInfo: { validationPlugin: '', validationParameter: text('p') } }),
    )
    const call = (chaincode: string, endorsers = network.peers) =>
      network.transaction({ chaincode, namespaces: [writes(chaincode, { a: '1' })], endorsers })
    expect(
      await scene.codes(
        call('majority'),
        call('majority', [one]),
        call('one', [one]),
        call('none'),
        call('odd'),
        call('empty'),
        call('bare'),
        call('unknown'),
      ),
    ).toEqual([valid, 10, valid, 10, 10, invalidChaincode, invalidChaincode, invalidChaincode])
  })

  it('must be satisfied of each namespace that is written to, and of the invoked one', async () => {
    const scene = await Scene.defined()
    const { network, one } = scene
    const alone = {
      validationInfo: { validationPlugin: 'vscc', validationParameter: applicationPolicyOf({ needed: 1, mspIds: ['Org1MSP'] }) },
    }
    expect(await scene.codes(network.definition('alone', alone))).toEqual([valid])
    const call = (chaincode: string, namespaces: readonly SimulatedNamespace[], endorsers = [one]) =>
      network.transaction({ chaincode, namespaces, endorsers })
    const reading = { ...writes(CHAINCODE, {}), reads: [{ key: 'nothing', version: undefined }] }
    expect(
      await scene.codes(
        call('alone', [writes('alone', { a: '1' })]),
        call('alone', [writes('alone', { b: '1' }), reading]),
        call('alone', [writes('alone', { c: '1' }), writes(CHAINCODE, { c: '1' })]),
        call('alone', [writes('alone', { d: '1' }), writes(CHAINCODE, { d: '1' })], [one, scene.two]),
        call(CHAINCODE, [writes('alone', { e: '1' })]),
        call('alone', [writes('alone', { f: '1' }), writes('unknown', { f: '1' })]),
        call('alone', [writes('alone', { g: '1' }), writes('', { CHANNEL_CONFIG_ENV_BYTES: 'mine' })]),
        call('alone', [writes('alone', { h: '1' }), writes('_lifecycle', { h: '1' })]),
        call('unknown', [writes('alone', { i: '1' })]),
      ),
    ).toEqual([valid, valid, 10, valid, 10, invalidChaincode, invalidChaincode, 10, invalidChaincode])
  })
})

describe('codes of ledger and block', () => {
  it('9: an id is there already, in the ledger or before it in the block; the first valid one counts', async () => {
    const scene = await Scene.defined()
    const { network, one } = scene
    const nonce = text('the same nonce')
    const put = scene.put({ a: '1' })
    const [bad, good, late] = [
      network.transaction({ nonce, endorsers: [one] }),
      network.transaction({ nonce }),
      network.transaction({ nonce }),
    ]
    expect(await scene.codes(put, put)).toEqual([valid, duplicateTxid])
    expect(await scene.codes(bad, good, late)).toEqual([endorsementPolicyFailure, valid, duplicateTxid])
    expect(await scene.codes(put, good, bad, network.transaction())).toEqual([duplicateTxid, duplicateTxid, duplicateTxid, valid])
  })

  it('9: comes before what else is wrong with what was endorsed', async () => {
    const scene = await Scene.defined()
    const transaction = scene.network.transaction({ results: text('no set') })
    expect(await scene.codes(transaction)).toEqual([badRwset])
    expect(await scene.codes(transaction)).toEqual([duplicateTxid])
  })

  it('11 and 12: what was read has changed', async () => {
    const scene = await Scene.defined()
    const query = { startKey: 'a', endKey: 'z', itrExhausted: true, rawReads: { kvReads: [] }, readsMerkleHashes: undefined }
    const reader = scene.put(writes(CHAINCODE, { x: '1' }, { reads: [{ key: 'a', version: undefined }] }))
    const ranger = scene.put(writes(CHAINCODE, { y: '1' }, { rangeQueries: [query] }))
    expect(await scene.codes(scene.put({ a: '1' }), reader, ranger)).toEqual([valid, mvccReadConflict, phantomReadConflict])
  })

  it('21: there is no answer of a chaincode', async () => {
    const scene = await Scene.defined()
    expect(await scene.codes(scene.network.transaction({ extension: text('no action') }))).toEqual([ValidationCode.badResponsePayload])
  })

  it('22 and 23: the read-write set does not read, or has a namespace twice', async () => {
    const scene = await Scene.defined()
    const { network } = scene
    const twice = writeReadWriteSet({ namespaces: [namespaceSet(), namespaceSet()] })
    const noName = { action: { chaincodeId: undefined } }
    expect(
      await scene.codes(
        network.transaction({ results: text('no set') }),
        network.transaction({ results: text('no set'), ...noName }),
        network.transaction({ results: twice }),
        network.transaction({ results: twice, ...noName }),
      ),
    ).toEqual([badRwset, badRwset, illegalWriteset, ValidationCode.invalidOtherReason])
  })

  it('24: the database cannot hold a write', async () => {
    const open = memoryStateDatabase()
    const picky: OpenStateDatabase = async (folder) => {
      const database = await open(folder)
      return Object.assign(database, { refusal: (key: string) => (key.startsWith('_') ? 'it begins with _' : undefined) })
    }
    const scene = await Scene.open(await Network.make(2), picky)
    expect(await scene.codes(scene.network.definition())).toEqual([valid])
    expect(await scene.codes(scene.put({ _a: '1' }), scene.put({ a: '1' }), scene.put({ _b: '1' }, [scene.one]))).toEqual([
      invalidWriteset,
      valid,
      endorsementPolicyFailure,
    ])
  })
})

describe('a key’s own policy', () => {
  it('holds in place of the chaincode’s, until it is taken away', async () => {
    const scene = await Scene.defined()
    const { one, two } = scene
    expect(await scene.codes(scene.put(writes(CHAINCODE, { k: '1' }, { metadataWrites: [keyPolicyWrite('k', ORG1)] })))).toEqual([valid])
    expect(
      await scene.codes(
        scene.put({ k: '2' }, [one]),
        scene.put({ k: '2' }, [two]),
        scene.put({ other: '2' }, [one]),
        scene.put({ k: '2', other: '2' }, [one]),
        scene.put({ k: '2' }),
        scene.put({}, [one]),
        scene.guard('k', ORG2, [two]),
      ),
    ).toEqual([valid, 10, 10, 10, valid, 10, 10])
    expect(await scene.codes(scene.guard('k', ORG2, [one]))).toEqual([valid])
    expect(await scene.codes(scene.put({ k: '3' }, [one]), scene.put({ k: '3' }, [two]))).toEqual([10, valid])
    expect(await scene.codes(scene.guard('k', '', [two]))).toEqual([valid])
    expect(await scene.codes(scene.put({ k: '4' }, [two]), scene.put({ k: '4' }))).toEqual([10, valid])
  })

  it('goes with the key', async () => {
    const scene = await Scene.defined()
    await scene.codes(scene.put(writes(CHAINCODE, { k: '1' }, { metadataWrites: [keyPolicyWrite('k', ORG1)] })))
    const deletion = { ...writes(CHAINCODE, {}), writes: [{ key: 'k', value: undefined }] }
    expect(await scene.codes(scene.put(deletion, [scene.two]), scene.put(deletion, [scene.one]))).toEqual([10, valid])
    expect(await scene.codes(scene.put({ k: '2' }, [scene.one]), scene.put({ k: '2' }))).toEqual([10, valid])
  })

  it('must not be changed in the block before the key is written, if by who may', async () => {
    const scene = await Scene.defined()
    const { one } = scene
    await scene.codes(scene.put({ k: '1', l: '1', m: '1' }))
    expect(
      await scene.codes(
        scene.put({ k: '2' }),
        scene.guard('k', ORG1),
        scene.put({ k: '3' }),
        scene.guard('k', ORG2),
        scene.put({ other: '1' }),
        scene.guard('l', ORG1, [one]),
        scene.put({ l: '2' }),
        scene.put(writes(CHAINCODE, { m: '2' }, { metadataWrites: [keyPolicyWrite('m', ORG1)] })),
      ),
    ).toEqual([valid, valid, 10, 10, valid, 10, valid, valid])
  })

  it('counts as changed by what other checks refuse later, and not by duplicates', async () => {
    const scene = await Scene.defined()
    await scene.codes(scene.put({ k: '1', l: '1' }))
    const stale = [{ key: 'k', version: undefined }]
    const conflicting = scene.put(writes(CHAINCODE, {}, { reads: stale, metadataWrites: [keyPolicyWrite('k', ORG1)] }))
    const guard = scene.guard('l', ORG1)
    expect(await scene.codes(conflicting, scene.put({ k: '2' }))).toEqual([mvccReadConflict, 10])
    expect(await scene.codes(guard)).toEqual([valid])
    expect(await scene.codes(guard, scene.put({ l: '2' }, [scene.one]))).toEqual([duplicateTxid, valid])
  })

  it('counts as changed by a transaction that is refused for another namespace', async () => {
    const scene = await Scene.defined()
    const { network, one } = scene
    const alone = {
      validationInfo: { validationPlugin: 'vscc', validationParameter: applicationPolicyOf({ needed: 1, mspIds: ['Org1MSP'] }) },
    }
    await scene.codes(network.definition('alone', alone))
    await scene.codes(network.transaction({ chaincode: 'alone', namespaces: [writes('alone', { k: '1' })] }))
    const refused = network.transaction({
      namespaces: [writes(CHAINCODE, { a: '1' }), writes('alone', {}, { metadataWrites: [keyPolicyWrite('k', ORG1)] })],
      endorsers: [one],
    })
    const write = network.transaction({ chaincode: 'alone', namespaces: [writes('alone', { k: '2' })] })
    expect(await scene.codes(refused, write)).toEqual([10, 10])
  })

  it('is the last of those that metadata has, and nothing else of it counts', async () => {
    const scene = await Scene.defined()
    const entries = [
      { name: 'VALIDATION_PARAMETER', value: signaturePolicyBytes(ORG2) },
      { name: 'OTHER', value: text('odd') },
      { name: 'VALIDATION_PARAMETER', value: signaturePolicyBytes(ORG1) },
    ]
    const set = namespaceSet()
    const keyValue = { ...set.keyValue, metadataWrites: [{ key: 'a', entries }] }
    const guard = scene.network.transaction({ results: writeReadWriteSet({ namespaces: [{ ...set, keyValue }] }) })
    const other = { metadataWrites: [{ key: 'b', metadata: new Map([['OTHER', text('odd')]]) }] }
    expect(await scene.codes(guard, scene.put(writes(CHAINCODE, { b: '1' }, other)))).toEqual([valid, valid])
    expect(
      await scene.codes(scene.put({ a: '2' }, [scene.two]), scene.put({ a: '2' }, [scene.one]), scene.put({ b: '2' }, [scene.one])),
    ).toEqual([10, valid, 10])
  })

  it('may be one that nobody satisfies', async () => {
    const scene = await Scene.defined()
    const policy: KVMetadataEntry = { name: 'VALIDATION_PARAMETER', value: Uint8Array.of(0x12, 0x02, 0x08, 0x09) }
    const guard = writes(CHAINCODE, { k: '1' }, { metadataWrites: [{ key: 'k', metadata: new Map([[policy.name, policy.value]]) }] })
    expect(await scene.codes(scene.put(guard))).toEqual([valid])
    expect(await scene.codes(scene.put({ k: '2' }))).toEqual([10])
  })

  it('stops the channel where it does not read, as Fabric’s peer', async () => {
    const scene = await Scene.defined()
    const guard = writes(
      CHAINCODE,
      { k: '1' },
      { metadataWrites: [{ key: 'k', metadata: new Map([['VALIDATION_PARAMETER', text('odd')]]) }] },
    )
    expect(await scene.codes(scene.put(guard))).toEqual([valid])
    const { height } = scene.channel
    await expect(scene.codes(scene.put({ other: '2' }), scene.put({ k: '2' }))).rejects.toMatchObject({
      code: 'fabric-committer/halted',
      cause: { code: 'fabric-committer/cannot-validate' },
    })
    expect(scene.channel.height).toBe(height)
    await expect(scene.codes(scene.put({ a: '1' }))).rejects.toMatchObject({ code: 'fabric-committer/halted' })
  })
})

describe('collections', () => {
  const twoCollections = collections(
    { name: 'own', endorsementPolicy: applicationPolicyOf({ needed: 1, mspIds: ['Org1MSP'] }) },
    { name: 'plain' },
    {
      name: 'named',
      endorsementPolicy: ApplicationPolicyMessage.encode({ channelConfigPolicyReference: '/Channel/Application/Org2/Endorsement' }),
    },
  )

  it('have policies of their own, or their chaincode’s', async () => {
    const scene = await Scene.defined({ collections: twoCollections })
    const { one, two } = scene
    expect(
      await scene.codes(
        scene.put(hidden('own', ['a']), [one]),
        scene.put(hidden('own', ['b']), [two]),
        scene.put(hidden('plain', ['a']), [one]),
        scene.put(hidden('plain', ['b'])),
        scene.put(hidden('named', ['a']), [two]),
        scene.put(hidden('named', ['b']), [one]),
        scene.put(hidden('unknown', ['a'])),
        scene.put({ ...hidden('own', ['c']), writes: [{ key: 'open', value: text('1') }] }, [one]),
        scene.put({ ...hidden('own', ['d']), writes: [{ key: 'open', value: text('1') }] }),
      ),
    ).toEqual([valid, 10, 10, valid, valid, 10, 10, 10, valid])
  })

  it('may be those that organisations have without being defined', async () => {
    const scene = await Scene.defined()
    const { one, two } = scene
    expect(
      await scene.codes(
        scene.put(hidden('_implicit_org_Org1MSP', ['a']), [one]),
        scene.put(hidden('_implicit_org_Org1MSP', ['b']), [two]),
        scene.put(hidden('_implicit_org_OtherMSP', ['c'])),
      ),
    ).toEqual([valid, 10, 10])
  })

  it('without a name count as none, as with Fabric’s peer', async () => {
    const scene = await Scene.defined()
    expect(await scene.codes(scene.put(hidden('', ['a'])), scene.put(hidden('', ['b']), [scene.one]))).toEqual([valid, 10])
  })

  it('have keys with policies of their own', async () => {
    const scene = await Scene.defined({ collections: twoCollections })
    const { one, two } = scene
    expect(await scene.codes(scene.put(hidden('own', ['k'], [keyPolicyWrite('k', ORG2)]), [one]))).toEqual([valid])
    expect(
      await scene.codes(
        scene.put(hidden('own', ['k']), [one]),
        scene.put(hidden('own', ['k']), [two]),
        scene.put(hidden('own', [], [keyPolicyWrite('k', ORG1)]), [one]),
        scene.put(hidden('own', [], [keyPolicyWrite('k', ORG1)]), [two]),
        scene.put(hidden('own', ['k'])),
        scene.put(hidden('plain', ['k'])),
      ),
    ).toEqual([10, valid, 10, valid, 10, valid])
    expect(await scene.codes(scene.put(hidden('own', ['k']), [one]))).toEqual([valid])
  })
})

describe('definitions', () => {
  it('need a majority of the organisations', async () => {
    const scene = await Scene.open(await Network.make(3))
    const { network, one, two } = scene
    const call = () => network.transaction({ namespaces: [writes(CHAINCODE, { a: '1' })] })
    expect(await scene.codes(network.definition(CHAINCODE, {}, [one]), call())).toEqual([10, invalidChaincode])
    expect(await scene.codes(network.definition(CHAINCODE, {}, [one, two]), call())).toEqual([valid, invalidChaincode])
    expect(await scene.codes(call())).toEqual([valid])
  })

  it('need a majority’s members where the channel has no policy for them', async () => {
    const network = await Network.make(3, ({ application, ...profile }) => {
      const { policies = {}, organizations = [] } = application ?? {}
      const { LifecycleEndorsement: _, ...others } = policies
      return { ...profile, application: { organizations, policies: others } }
    })
    const scene = await Scene.open(network)
    const clients = await Promise.all(network.authorities.map((authority) => authority.member('client')))
    const implicit = hidden('_implicit_org_Org1MSP', ['k'], [], '_lifecycle')
    expect(
      await scene.codes(
        network.definition('a', {}, clients.slice(0, 1)),
        network.definition('b', {}, clients.slice(0, 2)),
        network.transaction({ chaincode: '_lifecycle', namespaces: [implicit], endorsers: [scene.one] }),
        network.transaction({ chaincode: '_lifecycle', namespaces: [implicit], endorsers: clients.slice(0, 1) }),
        network.transaction({ chaincode: '_lifecycle', namespaces: [hidden('mine', ['k'], [], '_lifecycle')] }),
      ),
    ).toEqual([10, valid, valid, 10, 10])
  })

  it('take effect from the next block on', async () => {
    const scene = await Scene.defined()
    const { network, one } = scene
    const alone = {
      sequence: 2n,
      validationInfo: { validationPlugin: 'vscc', validationParameter: applicationPolicyOf({ needed: 1, mspIds: ['Org1MSP'] }) },
    }
    expect(await scene.codes(scene.put({ a: '1' }, [one]), network.definition(CHAINCODE, alone), scene.put({ b: '1' }, [one]))).toEqual([
      10,
      valid,
      10,
    ])
    expect(await scene.codes(scene.put({ c: '1' }, [one]))).toEqual([valid])
  })

  it.each<[string, (network: Network) => Uint8Array]>([
    [
      'names a plugin that is not here',
      (network) => network.definition('odd', { validationInfo: { validationPlugin: 'mine', validationParameter: text('p') } }),
    ],
    [
      'does not read',
      (network) => network.transaction({ chaincode: '_lifecycle', namespaces: [writes('_lifecycle', { 'namespaces/metadata/odd': 'x' })] }),
    ],
  ])('stop the channel where one %s', async (_, item) => {
    const scene = await Scene.open(await Network.make(2))
    expect(await scene.codes(item(scene.network))).toEqual([valid])
    const call = scene.network.transaction({ chaincode: 'odd', namespaces: [writes('odd', { a: '1' })] })
    await expect(scene.codes(call)).rejects.toMatchObject({ cause: { code: 'fabric-committer/cannot-validate' } })
    expect(scene.channel.failure).toMatchObject({ code: 'fabric-committer/halted' })
    expect(scene.channel.height).toBe(2n)
  })
})

function namespaceSet() {
  const keyValue = { reads: [], rangeQueriesInfo: [], writes: [{ key: 'a', isDelete: false, value: text('1') }], metadataWrites: [] }
  return { namespace: CHAINCODE, keyValue, collections: [] }
}
