import { endorserService, PROCESS_PROPOSAL, timeWindowCheck } from '@kumiko/fabric-endorser'
import { GrpcClient, GrpcListener, RpcError, RpcStatus } from '@kumiko/fabric-grpc'
import type { Simulator } from '@kumiko/fabric-ledger'
import { CollectionConfigPackage } from '@kumiko/fabric-lifecycle'
import type { IdentitySigner } from '@kumiko/fabric-msp'
import {
  ChaincodeAction,
  ChaincodeEvent,
  type ChaincodeInput,
  ChaincodeInvocationSpec,
  ChaincodeProposalPayload,
  ChannelHeader,
  decodeUtf8,
  encodeUtf8,
  endorsementMessage,
  Header,
  Proposal,
  ProposalResponse,
  ProposalResponsePayload,
  proposalHash,
  readReadWriteSet,
  SignatureHeader,
  SignaturePolicyEnvelope,
  SignedProposal,
  toHex,
} from '@kumiko/fabric-protocol'
import { must } from '@kumiko/testkit'
import { signaturePolicyBytes } from '@kumiko/testkit/fabric'
import type { Metrics } from '@libp2p/interface'
import { describe, expect, it } from 'vitest'
import { CHAINCODE, CHANNEL_ID, collectionOfBoth, NOW, type PeerProfile, TestPeer } from './peer.ts'

const text = encodeUtf8
const key = (value: string) => new Map([['VALIDATION_PARAMETER', signaturePolicyBytes(value)]])

/** What a client reads. */
async function refusal(answer: Promise<ProposalResponse>): Promise<string> {
  const error = await answer.then(
    (response) => new Error(`answered ${response.response?.status} ${response.response?.message}`),
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof RpcError) || error.status !== RpcStatus.unknown) throw error
  return error.message
}

/** A proposal whose parts are changed, signed again by the same client. */
function changed(
  peer: TestPeer,
  change: {
    readonly channel?: Partial<ChannelHeader>
    readonly signature?: Partial<SignatureHeader>
    readonly proposal?: Partial<Proposal>
  },
): SignedProposal {
  const { proposal } = peer.propose()
  const header = must(Header.decode(proposal.header))
  const written = Header.encode({
    channelHeader: ChannelHeader.encode({ ...must(ChannelHeader.decode(header.channelHeader)), ...change.channel }),
    signatureHeader: SignatureHeader.encode({ ...must(SignatureHeader.decode(header.signatureHeader)), ...change.signature }),
  })
  const proposalBytes = Proposal.encode({ ...proposal, header: written, ...change.proposal })
  return { proposalBytes, signature: peer.client.sign(proposalBytes) }
}

async function storedOf(peer: TestPeer, txId: string) {
  const stored = []
  for await (const each of peer.transient.get(txId)) stored.push(each)
  return stored
}

describe('an endorser', () => {
  it('endorses what was simulated, and leaves the state alone', async () => {
    await using peer = await TestPeer.make({
      contract: async ({ simulator }, { args }) => {
        await simulator.getState(CHAINCODE, 'absent')
        simulator.setState(CHAINCODE, 'key', must(args[1]))
        return { message: 'well', payload: text('answer') }
      },
    })
    const { signed, proposal, txId } = peer.propose({
      args: [text('put'), text('value')],
      transientMap: new Map([['hidden', text('secret')]]),
    })
    const answer = await peer.endorser.processProposal(signed)
    const response = { status: 200, message: 'well', payload: text('answer') }
    expect(answer).toMatchObject({ version: 1, response, timestamp: undefined })
    const payload = must(ProposalResponsePayload.decode(answer.payload))
    const stripped = ChaincodeProposalPayload.encode({ input: must(ChaincodeProposalPayload.decode(proposal.payload)).input })
    expect(payload.proposalHash).toEqual(proposalHash(must(Header.decode(proposal.header)), stripped))
    const action = must(ChaincodeAction.decode(payload.extension))
    expect(action).toMatchObject({ response, chaincodeId: { path: '', name: CHAINCODE, version: '1.0' } })
    expect(must(ChaincodeEvent.decode(action.events))).toEqual({
      chaincodeId: CHAINCODE,
      txId,
      eventName: 'done',
      payload: new Uint8Array(),
    })
    const { namespaces } = must(readReadWriteSet(action.results))
    expect(namespaces.map(({ namespace, keyValue: { reads, writes } }) => [namespace, reads.length, writes])).toEqual([
      ['_lifecycle', 5, []],
      [CHAINCODE, 1, [{ key: 'key', isDelete: false, value: text('value') }]],
    ])
    const { endorser, signature } = must(answer.endorsement)
    expect(endorser).toEqual(peer.signer.creator)
    expect(peer.signer.identity.verify(endorsementMessage(answer.payload, endorser), signature)).toBe(true)
    expect(answer.interest).toEqual({ chaincodes: [expect.objectContaining({ name: CHAINCODE, collectionNames: [], keyPolicies: [] })] })
    expect(decodeUtf8(ProposalResponse.encode(answer).filter((byte) => byte < 0x80))).not.toContain('secret')
    await using state = { reader: await peer.ledger.query(), [Symbol.asyncDispose]: async () => await state.reader.close() }
    expect(await state.reader.getState(CHAINCODE, 'key')).toBeUndefined()
  })

  it('gives the same bytes as another peer of the channel, whose signature alone is another', async () => {
    await using peer = await TestPeer.make({ contract: async ({ simulator }) => simulator.setState(CHAINCODE, 'k', text('v')) })
    const { signed } = peer.propose()
    const [one, other] = await Promise.all([peer.endorser.processProposal(signed), peer.endorser.processProposal(signed)])
    expect(one.payload).toEqual(other.payload)
    expect(one.endorsement?.signature).not.toEqual(other.endorsement?.signature)
  })

  it('refuses what is no proposal, in Fabric’s order and words', async () => {
    await using peer = await TestPeer.make()
    const process = (signed: Partial<SignedProposal>) => refusal(peer.endorser.processProposal(SignedProposal.create(signed)))
    const { signed, txId } = peer.propose()
    const raw = (proposal: Partial<Proposal>) => process({ proposalBytes: Proposal.encode(proposal), signature: text('s') })
    expect(await process({ proposalBytes: Uint8Array.of(1) })).toMatch(/^failed parsing proposal: error unmarshalling Proposal: /)
    expect(await raw({ header: Uint8Array.of(1) })).toMatch(/^failed parsing header: error unmarshalling Header: /)
    expect(await raw({})).toBe('ChaincodeHeaderExtension.ChaincodeId is nil')
    expect(await raw({ header: Header.encode({ channelHeader: Uint8Array.of(1) }) })).toMatch(/^error unmarshalling ChannelHeader: /)
    expect(await process(changed(peer, { channel: { extension: Uint8Array.of(0x12, 0) } }))).toBe(
      'ChaincodeHeaderExtension.ChaincodeId.Name is empty',
    )
    expect(await process(changed(peer, { proposal: { payload: new Uint8Array() } }))).toBe(
      'chaincode invocation spec did not contain chaincode spec',
    )
    expect(await process(changed(peer, { channel: { type: 2 } }))).toBe('error validating proposal: invalid header type CONFIG_UPDATE')
    expect(await process(changed(peer, { channel: { type: 77 } }))).toBe('error validating proposal: invalid header type 77')
    expect(await process(changed(peer, { channel: { epoch: 1n } }))).toBe('error validating proposal: epoch is non-zero')
    expect(await process(changed(peer, { signature: { nonce: new Uint8Array() } }))).toBe('error validating proposal: nonce is empty')
    expect(await process(changed(peer, { signature: { creator: new Uint8Array() } }))).toBe('error validating proposal: creator is empty')
    expect(await process(changed(peer, { channel: { txId } }))).toMatch(
      /^error validating proposal: incorrectly computed txid '[0-9a-f]{64}' -- expected '[0-9a-f]{64}'$/,
    )
    expect(await process({ ...signed, signature: new Uint8Array() })).toBe('error validating proposal: empty signature bytes')
    expect(await process({ ...signed, signature: peer.signer.sign(signed.proposalBytes) })).toBe(
      `error validating proposal: access denied: channel [${CHANNEL_ID}] creator org [Org1MSP]`,
    )
  })

  it('refuses strangers, the expired, those who may not, and what is on the ledger', async () => {
    const rule = (mspId: string) => ({ type: 'Signature', rule: `OR('${mspId}.admin')` }) as const
    await using peer = await TestPeer.make({
      channel: (profile) => ({
        ...profile,
        application: {
          ...must(profile.application),
          policies: { ...must(profile.application).policies, Own: rule('Org1MSP') },
          acls: { 'peer/Propose': 'Own' },
        },
      }),
    })
    const [org1, org2] = [must(peer.authorities[0]), must(peer.authorities[1])]
    const expired = await org1.member('admin', { to: '2026-01-01T00:00:00Z' })
    expect(await refusal(peer.process({}, expired))).toBe('proposal client identity expired')
    const unknown = await org1.member('client', { mspId: 'Org3MSP' })
    expect(await refusal(peer.process({}, unknown))).toBe(
      `error validating proposal: access denied: channel [${CHANNEL_ID}] creator org unknown, creator is malformed`,
    )
    const forged = await org2.member('client', { mspId: 'Org1MSP' })
    expect(await refusal(peer.process({}, forged))).toBe(
      `error validating proposal: access denied: channel [${CHANNEL_ID}] creator org unknown, creator is malformed`,
    )
    expect(await refusal(peer.process())).toMatch(
      /^failed evaluating policy on signed data during check policy \[\/Channel\/Application\/Own\]: \[.*\]$/,
    )
    const admin = await org1.member('admin')
    expect((await peer.process({}, admin)).response?.status).toBe(200)
    const nonce = text('once only')
    const txId = await peer.submit({ chaincode: '_lifecycle', args: [text(CHAINCODE)], nonce })
    expect(await refusal(peer.process({ chaincode: '_lifecycle', args: [text(CHAINCODE)], nonce }))).toBe(
      `duplicate transaction found [${txId}]. Creator [${toHex(peer.client.creator)}]`,
    )
  })

  it('names the default policy of those who may not', async () => {
    const nobody = { type: 'Signature', rule: "OR('Org9MSP.member')" } as const
    await using peer = await TestPeer.make({
      channel: (profile) => ({
        ...profile,
        application: { ...must(profile.application), policies: { ...must(profile.application).policies, Writers: nobody } },
      }),
    })
    expect(await refusal(peer.process())).toMatch(
      /^Failed evaluating policy on signed data during check policy on channel \[testing\] with policy \[\/Channel\/Application\/Writers\]: \[.*\]$/,
    )
  })

  it('tells a channel it is not on, a chaincode nobody defined, and one that fails', async () => {
    await using peer = await TestPeer.make({
      contract: async () => {
        throw new Error('chaincode stream terminated')
      },
    })
    const answer = async (request: Parameters<TestPeer['process']>[0]) => {
      const { response, ...rest } = await peer.process(request)
      expect(rest).toEqual({ version: 0, timestamp: undefined, payload: new Uint8Array(), endorsement: undefined, interest: undefined })
      return [response?.status, response?.message]
    }
    expect(await answer({ channelId: 'nowhere' })).toEqual([500, "channel 'nowhere' not found"])
    expect(await answer({ chaincode: 'unknown' })).toEqual([
      500,
      `make sure the chaincode unknown has been successfully defined on channel ${CHANNEL_ID} and try again: chaincode 'unknown' is not defined on channel '${CHANNEL_ID}'`,
    ])
    expect(await answer({})).toEqual([500, 'error in simulation: chaincode stream terminated'])
  })

  it('endorses nothing that the chaincode refused', async () => {
    await using peer = await TestPeer.make({
      contract: async ({ simulator }, { args }) => {
        simulator.setState(CHAINCODE, 'key', text('value'))
        await simulator.setPrivateData(CHAINCODE, 'secrets', 'key', text('value'))
        return { status: Number(decodeUtf8(must(args[0]))), message: 'no' }
      },
      definition: { collections: { config: [collectionOfBoth('secrets')] } },
    })
    const refused = await peer.process({ args: [text('404')] })
    expect(refused).toEqual(ProposalResponse.create({ response: { status: 404, message: 'no', payload: new Uint8Array() } }))
    const { signed, txId } = peer.propose({ args: [text('500')] })
    const failed = await peer.endorser.processProposal(signed)
    expect(failed).toMatchObject({ version: 0, endorsement: undefined, response: { status: 500 } })
    const action = must(ChaincodeAction.decode(must(ProposalResponsePayload.decode(failed.payload)).extension))
    expect([action.response?.status, action.events.length]).toEqual([500, 0])
    expect(await storedOf(peer, txId)).toEqual([])
    expect((await peer.process({ args: [text('399')] })).endorsement).toBeDefined()
  })

  it('keeps private data for its block, with how its collections are defined', async () => {
    const sent: unknown[] = []
    await using peer = await TestPeer.make({
      contract: async ({ simulator }) => {
        await simulator.setPrivateData(CHAINCODE, 'secrets', 'key', text('value'))
        await simulator.setPrivateData(CHAINCODE, '_implicit_org_Org2MSP', 'key', text('theirs'))
        await simulator.getPrivateData(CHAINCODE, 'others', 'key')
      },
      definition: { collections: { config: [collectionOfBoth('others'), collectionOfBoth('secrets')] } },
      options: { distributePrivateData: async (data) => void sent.push(data) },
    })
    const { signed, txId } = peer.propose()
    const answer = await peer.endorser.processProposal(signed)
    expect(answer.response?.status).toBe(200)
    const [stored, ...more] = await storedOf(peer, txId)
    expect([more.length, stored?.receivedAt, stored?.endorsedAt]).toEqual([0, 2n, 2n])
    const { config } = must(CollectionConfigPackage.decode(must(stored?.collectionConfigs.get(CHAINCODE))))
    expect(config.map(({ staticCollection }) => staticCollection?.name)).toEqual(['secrets', '_implicit_org_Org2MSP'])
    expect(sent).toEqual([expect.objectContaining({ channelId: CHANNEL_ID, txId, endorsedAt: 2n })])
    const calls = must(answer.interest).chaincodes.map(({ collectionNames, noPrivateReads }) => [collectionNames[0], noPrivateReads])
    expect(calls).toEqual([
      ['_implicit_org_Org2MSP', true],
      ['others', false],
      ['secrets', true],
    ])
    const { namespaces } = must(
      readReadWriteSet(must(ChaincodeAction.decode(must(ProposalResponsePayload.decode(answer.payload)).extension)).results),
    )
    expect(namespaces.map(({ namespace }) => namespace)).toEqual(['_lifecycle', CHAINCODE])
    expect(Buffer.from(answer.payload).includes('theirs')).toBe(false)
  })

  it('fails a proposal whose private data goes nowhere, or to no collection', async () => {
    const profile = (name: string): PeerProfile => ({
      contract: async ({ simulator }) => await simulator.setPrivateData(CHAINCODE, name, 'key', text('value')),
      definition: { collections: { config: [collectionOfBoth('secrets')] } },
      options: {
        distributePrivateData: async () => {
          throw new Error('required to disseminate to at least 1 peers')
        },
      },
    })
    await using lonely = await TestPeer.make(profile('secrets'))
    expect((await lonely.process()).response).toMatchObject({
      status: 500,
      message: 'error in simulation: required to disseminate to at least 1 peers',
    })
    await using wrong = await TestPeer.make(profile('_implicit_org_Org9MSP'))
    expect((await wrong.process()).response?.message).toMatch(/^error in simulation: .*_implicit_org_Org9MSP/)
  })

  it('endorses for all of the channel’s organisations, but for nobody who was revoked', async () => {
    const revoked: IdentitySigner[] = []
    await using peer = await TestPeer.make({
      prepare: async (authorities) => void revoked.push(await must(authorities[1]).member('client', { isRevoked: true })),
    })
    const other = await must(peer.authorities[1]).member('client')
    expect((await peer.process({}, other)).endorsement).toBeDefined()
    expect(await refusal(peer.process({}, must(revoked[0])))).toBe(
      `error validating proposal: access denied: channel [${CHANNEL_ID}] creator org [Org2MSP]`,
    )
  })

  it('takes no decorations from clients, and gives those of its decorators', async () => {
    const seen: ChaincodeInput[] = []
    const decorate = (name: string) => (_: Proposal, input: ChaincodeInput) => ({
      ...input,
      decorations: new Map([...input.decorations, [name, text(name)] as const]),
    })
    await using peer = await TestPeer.make({
      contract: async (_, input) => void seen.push(input),
      options: { decorators: [decorate('a'), decorate('b')] },
    })
    const { proposal } = peer.propose()
    const { input } = must(ChaincodeProposalPayload.decode(proposal.payload))
    const spec = must(must(ChaincodeInvocationSpec.decode(input)).chaincodeSpec)
    const forged = { ...spec, input: { ...must(spec.input), decorations: new Map([['forged', text('yes')]]) } }
    const payload = ChaincodeProposalPayload.encode({ input: ChaincodeInvocationSpec.encode({ chaincodeSpec: forged }) })
    const { response } = await peer.endorser.processProposal(changed(peer, { proposal: { payload } }))
    expect(response?.status).toBe(200)
    expect(seen.map(({ decorations }) => [...decorations.keys()])).toEqual([['a', 'b']])
  })

  it('tells whose policies the written keys come under', async () => {
    await using peer = await TestPeer.make({
      contract: async ({ simulator }, { args }) => {
        const [name, ...keys] = args.map((arg) => must(decodeUtf8(arg)))
        if (name === 'guard')
          for (const each of keys) simulator.setStateMetadata(CHAINCODE, each, key("AND('Org1MSP.peer', 'Org2MSP.peer')"))
        if (name === 'unguard')
          for (const each of keys) simulator.setStateMetadata(CHAINCODE, each, new Map([['VALIDATION_PARAMETER', new Uint8Array()]]))
        for (const each of keys) simulator.setState(CHAINCODE, each, text('1'))
        if (name === 'private') await simulator.setPrivateData(CHAINCODE, 'secrets', 'key', text('value'))
      },
      definition: { collections: { config: [collectionOfBoth('secrets')] } },
    })
    const calls = async (...args: readonly string[]) => {
      const { interest } = await peer.process({ args: args.map(text) })
      return must(interest).chaincodes.map(({ collectionNames, keyPolicies, disregardNamespacePolicy, noPrivateReads }) => ({
        collectionNames,
        keyPolicies: keyPolicies.map(SignaturePolicyEnvelope.encode),
        disregardNamespacePolicy,
        noPrivateReads,
      }))
    }
    const plain = { collectionNames: [], keyPolicies: [], disregardNamespacePolicy: false, noPrivateReads: false }
    const policy = signaturePolicyBytes("AND('Org1MSP.peer', 'Org2MSP.peer')")
    expect(await calls('guard', 'a')).toEqual([plain])
    await peer.submit({ args: ['guard', 'a', 'b'].map(text) })
    expect(await calls('put', 'a')).toEqual([{ ...plain, keyPolicies: [policy], disregardNamespacePolicy: true }])
    expect(await calls('put', 'a', 'b')).toEqual([{ ...plain, keyPolicies: [policy, policy], disregardNamespacePolicy: true }])
    expect(await calls('put', 'a', 'c')).toEqual([{ ...plain, keyPolicies: [policy] }])
    expect(await calls('private')).toEqual([{ ...plain, collectionNames: ['secrets'], noPrivateReads: true }])
    expect(await calls('private', 'a')).toEqual([
      { ...plain, keyPolicies: [policy], disregardNamespacePolicy: true },
      { ...plain, collectionNames: ['secrets'], noPrivateReads: true },
    ])
    expect(await calls('read')).toEqual([])
    await peer.submit({ args: ['unguard', 'a'].map(text) })
    expect(await calls('put', 'a')).toEqual([plain])
  })

  it('ends with its client: nothing is endorsed, nothing kept, and the simulation is closed', async () => {
    const running = Promise.withResolvers<Simulator>()
    await using peer = await TestPeer.make({
      contract: async ({ simulator }) => {
        running.resolve(simulator)
        await new Promise(() => {})
      },
    })
    const client = new AbortController()
    const { signed } = peer.propose()
    const answer = peer.endorser.processProposal(signed, { signal: client.signal })
    const simulator = await running.promise
    client.abort()
    await expect(answer).rejects.toMatchObject({ status: RpcStatus.cancelled })
    expect(() => simulator.setState(CHAINCODE, 'key', text('late'))).toThrow(
      expect.objectContaining({ code: 'fabric-ledger/simulation-ended' }),
    )
  })

  it('works on many proposals at once, each by itself', async () => {
    await using peer = await TestPeer.make({
      contract: async ({ simulator }, { args }) => {
        simulator.setState(CHAINCODE, must(decodeUtf8(must(args[0]))), must(args[0]))
        await new Promise(setImmediate)
        return (await simulator.getState(CHAINCODE, must(decodeUtf8(must(args[0]))))) ?? must(args[0])
      },
    })
    const names = Array.from({ length: 100 }, (_, index) => `key${index}`)
    const answers = await Promise.all(names.map((name) => peer.process({ args: [text(name)] })))
    const written = answers.map(({ payload }) => {
      const { namespaces } = must(
        readReadWriteSet(must(ChaincodeAction.decode(must(ProposalResponsePayload.decode(payload)).extension)).results),
      )
      return namespaces.flatMap(({ keyValue }) => keyValue.writes.map(({ key: name }) => name))
    })
    expect(written).toEqual(names.map((name) => [name]))
  })

  it('answers for the peer itself without endorsing', async () => {
    await using peer = await TestPeer.make()
    const answer = await peer.process({ channelId: '', chaincode: 'cscc' })
    expect(answer).toEqual(ProposalResponse.create({ response: { status: 200, message: '', payload: text('channels') } }))
    const stranger = await must(peer.authorities[1]).member('client')
    expect(await refusal(peer.process({ channelId: '', chaincode: 'cscc' }, stranger))).toBe(
      'error validating proposal: access denied: channel [] creator org unknown, creator is malformed',
    )
    expect((await peer.process({ chaincode: 'cscc' })).endorsement).toBeDefined()
  })

  it('endorses by the plugin that the definition names', async () => {
    const endorsementInfo = { version: '1.0', initRequired: false, endorsementPlugin: 'custom' }
    await using without = await TestPeer.make({ definition: { endorsementInfo } })
    expect((await without.process()).response?.message).toBe(
      "endorsing with plugin failed: plugin with name custom could not be used: plugin with name custom wasn't found",
    )
    const endorsement = { endorser: text('me'), signature: text('mine') }
    await using peer = await TestPeer.make({
      definition: { endorsementInfo },
      options: { endorsementPlugins: new Map([['custom', () => ({ endorsement, payload: text('other') })]]) },
    })
    expect(await peer.process()).toMatchObject({ endorsement, payload: text('other') })
  })

  it('refuses proposals of other times where it is told to', async () => {
    await using peer = await TestPeer.make({ options: { authFilters: [] } })
    const check = timeWindowCheck({ now: () => NOW }, 900_000)(peer.endorser.processProposal)
    const at = (offsetMs: number) => check(peer.propose({ timestamp: { seconds: BigInt((NOW + offsetMs) / 1000), nanos: 0 } }).signed)
    expect((await at(900_000)).response?.status).toBe(200)
    expect(await refusal(at(-901_000))).toBe(
      'request unauthorized due to incorrect timestamp 2026-09-21T13:58:19Z, peer time 2026-09-21T14:13:20Z, peer.authentication.timewindow 900s',
    )
    expect(await refusal(at(901_000))).toMatch(/^request unauthorized/)
  })
})

it("measures by Fabric's names", async () => {
  const measured = new Map<string, number>()
  const count = (name: string): unknown => measured.set(name, (measured.get(name) ?? 0) + 1)
  const each = (name: string) => (values: Record<string, unknown>) => void Object.keys(values).map((label) => count(`${name} ${label}`))
  // Of all that libp2p's metrics can register, only these kinds are.
  const metrics = {
    registerCounter: (name: string) => ({ increment: () => count(name) }),
    registerCounterGroup: (name: string) => ({ increment: each(name) }),
    registerHistogramGroup: (name: string) => ({ observe: each(name) }),
  } as unknown as Metrics
  await using peer = await TestPeer.make({ options: { metrics } })
  measured.clear()
  const nonce = text('once only')
  const request = { chaincode: '_lifecycle', args: [text(CHAINCODE)], nonce }
  await peer.submit(request)
  await refusal(peer.process(request))
  await refusal(peer.process({}, await must(peer.authorities[0]).member('client', { mspId: 'Org3MSP' })))
  await peer.process({ chaincode: 'unknown' })
  expect(Object.fromEntries(measured)).toEqual({
    endorser_proposals_received: 4,
    endorser_successful_proposals: 1,
    endorser_proposal_validation_failures: 1,
    [`endorser_duplicate_transaction_failures ${CHANNEL_ID}`]: 1,
    [`endorser_proposal_duration ${CHANNEL_ID}`]: 2,
  })
})

describe('the endorser service', () => {
  it('serves clients, refuses more than it may have at once, and ends what nobody waits for', async () => {
    const ended = Promise.withResolvers<void>()
    const running = Promise.withResolvers<void>()
    await using peer = await TestPeer.make({
      contract: async ({ signal }, { args }) => {
        if (decodeUtf8(must(args[0])) === 'go') return text('went')
        signal?.addEventListener('abort', () => ended.resolve())
        running.resolve()
        await ended.promise
      },
    })
    const listener = new GrpcListener({ listen: '127.0.0.1:0' })
    listener.add(...endorserService(peer.endorser, { proposalsMax: 1 }))
    await listener.start()
    const client = new GrpcClient({ address: listener.address })
    try {
      const answer = await client.call(PROCESS_PROPOSAL, peer.propose().signed)
      expect(answer).toMatchObject({ version: 1, response: { payload: text('went') } })
      expect(await refusal(client.call(PROCESS_PROPOSAL, SignedProposal.create({ proposalBytes: Uint8Array.of(1) })))).toMatch(
        /^failed parsing proposal/,
      )
      const gone = new AbortController()
      const waiting = client.call(PROCESS_PROPOSAL, peer.propose({ args: [text('wait')] }).signed, { signal: gone.signal })
      await running.promise
      expect(await refusal(client.call(PROCESS_PROPOSAL, peer.propose().signed))).toBe(
        'too many requests for /protos.Endorser, exceeding concurrency limit (1)',
      )
      gone.abort()
      await expect(waiting).rejects.toThrow()
      await ended.promise
    } finally {
      client.close()
      await listener.stop()
    }
  })
})
