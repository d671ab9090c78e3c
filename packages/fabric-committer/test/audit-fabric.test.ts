import { memoryStateDatabase, type StateReader } from '@kumiko/fabric-ledger'
import { type FabricIdentity, type Policy, parsePolicy } from '@kumiko/fabric-msp'
import {
  ChaincodeActionPayload,
  Envelope,
  KVRWSet,
  Payload,
  ProposalResponsePayload,
  proposalHash,
  readTransactionsFilter,
  SignaturePolicyEnvelope,
  signEnvelope,
  Transaction,
  TxReadWriteSet,
  ValidationCode,
} from '@kumiko/fabric-protocol'
import { must } from '@kumiko/testkit'
import { describe, expect, it } from 'vitest'
import { readGenesis } from '../src/block-intake.ts'
import type { BlockSource } from '../src/block-source.ts'
import { ChaincodeRulebook } from '../src/chaincode-rules.ts'
import { Channel } from '../src/channel.ts'
import { checkTransaction } from '../src/check-transaction.ts'
import { PolicyVerdicts } from '../src/endorsement-check.ts'
import { temporaryLedger } from './golden.ts'
import { CHAINCODE, Network, writes } from './network.ts'

const { valid, endorsementPolicyFailure, badCommonHeader } = ValidationCode

/** A chaincode that both of two organisations must endorse, on a channel to commit to. */
async function defined() {
  const network = await Network.make(2)
  const ledger = await temporaryLedger(memoryStateDatabase(), network.genesis, network.channelId)
  const channel = await Channel.open({ ledger })
  const codes = async (...items: readonly Uint8Array[]) => [...must(await channel.store(network.block(...items))).codes]
  expect(await codes(network.definition())).toEqual([valid])
  const close = async () => {
    await channel.close()
    await ledger[Symbol.asyncDispose]()
  }
  return { network, channel, codes, [Symbol.asyncDispose]: close }
}

/** A state without a key, which tells how it was asked. */
function emptyState(asked: number[] = []): Pick<StateReader, 'getMany'> {
  return {
    getMany: async (keys) => {
      asked.push(keys.length)
      return keys.map(() => undefined)
    },
  }
}

const names = (count: number, prefix = 'cc') => Array.from({ length: count }, (_, index) => `${prefix}${index}`)

/** `msgvalidation.go` validateEndorserTransaction, `protoutil` GetProposalHash2: nothing has no hash. */
describe('a transaction without a proposal', () => {
  it('is none, though its hash is right', async () => {
    const network = await Network.make(1)
    const bundle = must(readGenesis(network.genesis, network.channelId))
    const { header, data } = must(Payload.decode(must(Envelope.decode(network.transaction())).payload))
    const action = must(must(Transaction.decode(data)).actions[0])
    const payload = must(ChaincodeActionPayload.decode(action.payload))
    const answered = must(ProposalResponsePayload.decode(must(payload.action).proposalResponsePayload))
    const channelHeader = must(header).channelHeader
    const proposalResponsePayload = ProposalResponsePayload.encode({
      ...answered,
      proposalHash: proposalHash({ channelHeader, signatureHeader: action.header }, new Uint8Array()),
    })
    const endorsed = { ...must(payload.action), proposalResponsePayload }
    const changed = ChaincodeActionPayload.encode({ chaincodeProposalPayload: new Uint8Array(), action: endorsed })
    const item = Payload.encode({ header, data: Transaction.encode({ actions: [{ ...action, payload: changed }] }) })
    expect(checkTransaction(signEnvelope(item, network.client), bundle)).toEqual({
      kind: 'refused',
      code: ValidationCode.invalidEndorserTransaction,
    })
  })
})

/** `mcs.go` VerifyBlock asks a block's first transaction for its channel alone. */
describe('a block whose first transaction has a malformed signature header', () => {
  it('is taken, and the transaction refused', async () => {
    await using scene = await defined()
    const { header, data } = must(Payload.decode(must(Envelope.decode(scene.network.transaction())).payload))
    const item = Payload.encode({ header: { ...must(header), signatureHeader: Uint8Array.of(0xff) }, data })
    expect(await scene.codes(signEnvelope(item, scene.network.client), scene.network.transaction())).toEqual([badCommonHeader, valid])
  })
})

describe('a block of very many transactions', () => {
  it('is refused, and the channel goes on', async () => {
    await using scene = await defined()
    const items = new Array<Uint8Array>(300_000).fill(new Uint8Array())
    const block = scene.network.block(scene.network.transaction())
    expect(await scene.channel.store({ ...block, data: items })).toMatchObject({ fault: 'fabric-protocol/bad-data-hash' })
    expect(must(await scene.channel.store(block)).codes).toEqual(Uint8Array.of(valid))
  })
})

describe('a transaction of very many parts', () => {
  it('with metadata of 300,000 keys is judged', async () => {
    await using scene = await defined()
    const metadataWrites = new Array(300_000).fill({ key: 'k', entries: [] })
    const results = TxReadWriteSet.encode({
      namespaces: [{ namespace: CHAINCODE, rwset: KVRWSet.encode({ metadataWrites }), collections: [] }],
    })
    const write = scene.network.transaction({ namespaces: [writes(CHAINCODE, { k: '1' })] })
    expect(await scene.codes(scene.network.transaction({ results }), write)).toEqual([valid, endorsementPolicyFailure])
  })

  it('with 20,000 chaincodes that nobody defined is refused, and what is defined is not forgotten', async () => {
    await using scene = await defined()
    const namespaces = [CHAINCODE, ...names(20_000)].map((name) => writes(name, { a: '1' }))
    expect(await scene.codes(scene.network.transaction({ namespaces }), scene.network.transaction())).toEqual([
      ValidationCode.invalidChaincode,
      valid,
    ])
  })
})

describe('a transaction of chaincodes that nobody defined', () => {
  it('is refused at the first few, and costs no more', async () => {
    const network = await Network.make(1)
    await using ledger = await temporaryLedger(memoryStateDatabase(), network.genesis, network.channelId)
    let asked = 0
    const getMany: StateReader['getMany'] = async (keys) => {
      asked += keys.filter(({ namespace }) => namespace === '_lifecycle').length
      return await ledger.state.getMany(keys)
    }
    const state = new Proxy(ledger.state, { get: (target, name) => (name === 'getMany' ? getMany : Reflect.get(target, name)) })
    const { channelId, blocks } = ledger
    const read = { channelId, blocks, state, commit: ledger.commit.bind(ledger) }
    const channel = await Channel.open({
      ledger: Object.defineProperty({ ...read, info: ledger.info }, 'info', { get: () => ledger.info }),
    })
    must(await channel.store(network.block(network.definition())))
    const all = (prefix: string) => names(5_000, prefix).map((name) => writes(name, { a: '1' }))
    const many = network.transaction({ namespaces: [writes(CHAINCODE, { a: '1' }), ...all('x')] })
    const unendorsed = network.transaction({ namespaces: [writes(CHAINCODE, { b: '1' }), ...all('y')], endorsers: [] })
    const { codes } = must(await channel.store(network.block(many, unendorsed, network.transaction())))
    expect([...codes]).toEqual([ValidationCode.invalidChaincode, endorsementPolicyFailure, valid])
    expect(asked).toBeLessThan(2_000)
    await channel.close()
  })
})

describe('a rulebook', () => {
  it('knows all that it was asked for last, however many there were before', async () => {
    const network = await Network.make(1)
    const rulebook = new ChaincodeRulebook(must(readGenesis(network.genesis, network.channelId)))
    await rulebook.prepare(['first', ...names(9_998)], emptyState())
    await rulebook.prepare(['first', 'second', 'third'], emptyState())
    expect([rulebook.of('first'), rulebook.of('second'), rulebook.of('third')]).toEqual([undefined, undefined, undefined])
  })

  it('asks the state for some thousands of keys at once at most', async () => {
    const network = await Network.make(1)
    const rulebook = new ChaincodeRulebook(must(readGenesis(network.genesis, network.channelId)))
    const asked: number[] = []
    await rulebook.prepare(names(5_000), emptyState(asked))
    expect(Math.max(...asked)).toBeLessThanOrEqual(10_000)
    expect(rulebook.of('cc4999')).toBeUndefined()
  })
})

/** Fabric has no bound but the block's size and what protobuf nests. */
describe('a key’s own policy', () => {
  const policy = parsePolicy("OR('Org1MSP.peer')")
  const padding = { principalClassification: 0, principal: new Uint8Array(1_100_000) }
  const deep = Array.from({ length: 450 }).reduce<NonNullable<typeof policy.rule>>(
    (rule) => ({ signedBy: undefined, nOutOf: { n: 1, rules: [rule] } }),
    must(policy.rule),
  )

  it.each([
    ['of more than a mebibyte', { ...policy, identities: [...policy.identities, padding] }],
    ['nested deep', { ...policy, rule: deep }],
  ])('may be %s', async (_, odd) => {
    await using scene = await defined()
    const { network } = scene
    const metadataWrites = [{ key: 'k', metadata: new Map([['VALIDATION_PARAMETER', SignaturePolicyEnvelope.encode(odd)]]) }]
    expect(await scene.codes(network.transaction({ namespaces: [writes(CHAINCODE, { k: '1' }, { metadataWrites })] }))).toEqual([valid])
    const [byOne, byTwo] = network.peers.map((peer) =>
      network.transaction({ namespaces: [writes(CHAINCODE, { k: '2' })], endorsers: [peer] }),
    )
    expect(await scene.codes(must(byTwo), must(byOne))).toEqual([endorsementPolicyFailure, valid])
  })
})

describe('what policies say of endorsers', () => {
  const made = (mspId: string, id: string): FabricIdentity => ({
    mspId,
    id,
    serialized: new Uint8Array(),
    verify: () => true,
    validate: () => undefined,
    satisfies: () => true,
  })

  it('is kept for them alone, whatever an organisation is called', () => {
    const verdicts = new PolicyVerdicts()
    const two: Policy = { evaluate: ({ length }) => (length >= 2 ? undefined : { fault: 'too-few' }) }
    expect(verdicts.isSatisfied(two, [made('A', '01'), made('B', '02')])).toBe(true)
    expect(verdicts.isSatisfied(two, [made('A\n02 B', '01')])).toBe(false)
    expect(verdicts.isSatisfied(two, [made('A02 1 B', '01')])).toBe(false)
  })

  it('is not kept for so many that keeping it would cost', () => {
    let asked = 0
    const counting: Policy = { evaluate: () => void asked++ }
    const verdicts = new PolicyVerdicts()
    const [few, many] = [64, 65].map((length) => Array.from({ length }, (_, index) => made('A', index.toString(16))))
    for (const set of [few, few, many, many]) expect(verdicts.isSatisfied(counting, must(set))).toBe(true)
    expect(asked).toBe(3)
  })
})

/** `txvalidator` Validate applies a configuration wherever it is in a block; one orderer can order such a block. */
describe('a configuration among other transactions', () => {
  it.each([0, 2])('holds for the block after it, with %s workers', async (workers) => {
    const [network, larger] = [await Network.make(1), await Network.make(2)]
    const groupOf = (of: Network) => must(must(readGenesis(of.genesis, of.channelId)).config.channelGroup)
    const [group, added] = [groupOf(network), must(groupOf(larger).groups.get('Application')?.groups.get('Org2'))]
    const application = must(group.groups.get('Application'))
    const withAdded = { ...application, groups: new Map([...application.groups, ['Org2', added] as const]) }
    const channelGroup = { ...group, groups: new Map([...group.groups, ['Application', withAdded] as const]) }
    const client = await must(larger.authorities[1]).member('client')
    await using ledger = await temporaryLedger(memoryStateDatabase(), network.genesis, network.channelId)
    const channel = await Channel.open({ ledger, workers })
    const blocks = [
      network.block(network.definition()),
      network.block(network.transaction(), await network.configuration(channel.bundle, channelGroup)),
      network.block(network.transaction({ client })),
    ]
    const source: BlockSource = {
      blocks: async function* () {
        for (const block of blocks) yield { block }
      },
    }
    expect(await channel.run(source)).toBeUndefined()
    const codes: number[][] = []
    for await (const block of ledger.blocks.blocks(1n)) codes.push([...must(readTransactionsFilter(block))])
    expect(codes).toEqual([[valid], [valid, valid], [valid]])
    await channel.close()
  })

  it('stops the channel where there is another that does not follow it', async () => {
    await using scene = await defined()
    const group = must(scene.channel.bundle.config.channelGroup)
    const application = must(group.groups.get('Application'))
    const own = must(application.groups.get('Org1'))
    const changed = { ...own, policies: new Map([...own.policies].filter(([name]) => name !== 'Readers')) }
    const groups = new Map([...application.groups, ['Org1', changed] as const])
    const channelGroup = { ...group, groups: new Map([...group.groups, ['Application', { ...application, groups }] as const]) }
    const configuration = await scene.network.configuration(scene.channel.bundle, channelGroup)
    await expect(scene.codes(configuration, configuration)).rejects.toMatchObject({ cause: { code: 'fabric-committer/cannot-validate' } })
  })
})
