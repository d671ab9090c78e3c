import type { Ledger, Simulator } from '@kumiko/fabric-ledger'
import {
  type ChaincodeInput,
  ChaincodeInvocationSpec,
  ChaincodeProposalPayload,
  CheckCommitReadinessResult,
  DefinitionArgs,
  InstallChaincodeArgs,
  type Message,
  NoArgs,
  PackageIdArgs,
  QueryApprovedChaincodeDefinitionArgs,
  QueryApprovedChaincodeDefinitionResult,
  QueryApprovedChaincodeDefinitionsResult,
  QueryChaincodeDefinitionArgs,
  QueryChaincodeDefinitionResult,
  QueryChaincodeDefinitionsResult,
  QueryInstalledChaincodesResult,
  toHex,
  writeReadWriteSet,
} from '@kumiko/fabric-protocol'
import { KumikoError } from '@kumiko/interface'
import { must } from '@kumiko/testkit'
import { describe, expect, it, vi } from 'vitest'
import type { InstalledPackage } from '../src/packages/installed-package.ts'
import { chaincodeDefinitions } from '../src/system/chaincode-definitions.ts'
import { ChannelChaincodes, type ChannelChaincodesOptions } from '../src/system/channel-chaincodes.ts'
import { lifecycleChaincode } from '../src/system/lifecycle-chaincode.ts'
import {
  CHANNEL_ID,
  contextOf,
  goldenAccess,
  goldenBundle,
  goldenCommit,
  goldenLedger,
  goldenResults,
  goldenTransaction,
  goldenUser,
  MSP_ID,
  PACKAGE_ID,
  simulate,
} from './golden-ledger.ts'

const NAME = new TextEncoder().encode.bind(new TextEncoder())
const bundle = goldenBundle()

/** A peer of Org1 over a ledger. */
function peer(ledger: Ledger, options: Partial<ChannelChaincodesOptions> = {}, installed: InstalledPackage[] = []) {
  const channel = (channelId: string) => (channelId === CHANNEL_ID ? { bundle, ledger } : undefined)
  const packages = { list: () => installed }
  const chaincodes = new ChannelChaincodes({ mspId: MSP_ID, channel, channels: () => [CHANNEL_ID], installed: packages, ...options })
  return { channel, chaincodes, packages, definitions: chaincodeDefinitions({ chaincodes, channel }) }
}

async function lifecycle(ledger: Ledger, installed: InstalledPackage[] = []) {
  const { channel, chaincodes, packages } = peer(ledger, {}, installed)
  const installer = {
    ...packages,
    install: async () => {
      throw new KumikoError('fabric-chaincode/bad-package', 'could not parse as a chaincode install package: nothing')
    },
    load: async (packageId: string) => (packageId === PACKAGE_ID ? NAME('package') : undefined),
  }
  const access = await goldenAccess(bundle)
  const chaincode = lifecycleChaincode({ mspId: MSP_ID, channel, access, installer, chaincodes })
  return {
    /** As the client of that name. */
    call: async (client: string, input: Pick<ChaincodeInput, 'args'>, simulator?: Simulator) =>
      await chaincode.invoke(contextOf(await goldenUser(client), { chaincode: '_lifecycle', args: input.args }, simulator), {
        ...input,
        decorations: new Map(),
        isInit: false,
      }),
  }
}

/** What the client of a golden transaction asked for. */
function goldenInput(number: number): ChaincodeInput {
  const payload = must(ChaincodeProposalPayload.decode(goldenTransaction(number).proposalPayload))
  return must(must(ChaincodeInvocationSpec.decode(payload.input)).chaincodeSpec?.input)
}

function call<T extends object>(name: string, type: Message<T>, value: Partial<T>): Pick<ChaincodeInput, 'args'> {
  return { args: [NAME(name), type.encode(value)] }
}

describe('_lifecycle', () => {
  it('approves and commits with the very bytes that the real peer endorsed', async () => {
    for (const number of [1, 2]) {
      await using ledger = await goldenLedger(number)
      const simulator = await simulate(ledger)
      const response = await (await lifecycle(ledger)).call('Admin', goldenInput(number), simulator)
      expect(response).toEqual({ status: 200, message: '', payload: new Uint8Array() })
      expect(toHex(writeReadWriteSet((await simulator.results()).public))).toBe(toHex(goldenResults(number)))
    }
  })

  it('tells what is approved, agreed to and defined', async () => {
    await using ledger = await goldenLedger(3)
    const simulator = await simulate(ledger)
    const peer = await lifecycle(ledger)
    const ask = async <T extends object>(name: string, input: Pick<ChaincodeInput, 'args'>, result: Message<T>) => {
      const { status, message, payload } = await peer.call('Admin', input, simulator)
      expect({ name, status, message }).toEqual({ name, status: 200, message: '' })
      return must(result.decode(payload))
    }
    const definition = must(DefinitionArgs.decode(must(goldenInput(2).args[1])))
    const fields = {
      version: '1.0',
      endorsementPlugin: 'escc',
      validationPlugin: 'vscc',
      initRequired: false,
      collections: must(definition.collections),
    }
    const source = { unavailable: undefined, localPackage: { packageId: PACKAGE_ID } }
    const one = call('QueryApprovedChaincodeDefinition', QueryApprovedChaincodeDefinitionArgs, { name: 'golden' })
    expect(await ask('approved', one, QueryApprovedChaincodeDefinitionResult)).toMatchObject({ ...fields, sequence: 1n, source })
    const every = call('QueryApprovedChaincodeDefinitions', NoArgs, {})
    expect(await ask('all approved', every, QueryApprovedChaincodeDefinitionsResult)).toMatchObject({
      approvedChaincodeDefinitions: [{ ...fields, name: 'golden', sequence: 1n, source }],
    })
    const defined = call('QueryChaincodeDefinition', QueryChaincodeDefinitionArgs, { name: 'golden' })
    expect(await ask('defined', defined, QueryChaincodeDefinitionResult)).toMatchObject({
      ...fields,
      sequence: 1n,
      approvals: new Map([[MSP_ID, true]]),
    })
    const all = call('QueryChaincodeDefinitions', NoArgs, {})
    expect(await ask('all defined', all, QueryChaincodeDefinitionsResult)).toMatchObject({
      chaincodeDefinitions: [{ ...fields, name: 'golden', sequence: 1n }],
    })
    const next = call('CheckCommitReadiness', DefinitionArgs, { ...definition, sequence: 2n })
    expect(await ask('readiness', next, CheckCommitReadinessResult)).toEqual({
      approvals: new Map([[MSP_ID, false]]),
      mismatches: new Map([[MSP_ID, { items: ['ChaincodeParameters'] }]]),
    })
  })

  it('tells in which parts an organisation approved something else', async () => {
    await using ledger = await goldenLedger(2)
    const definition = must(DefinitionArgs.decode(must(goldenInput(2).args[1])))
    const args = { ...definition, version: '2.0', collections: undefined }
    const { payload } = await (await lifecycle(ledger)).call(
      'Admin',
      call('CheckCommitReadiness', DefinitionArgs, args),
      await simulate(ledger),
    )
    expect(CheckCommitReadinessResult.decode(payload)).toEqual({
      approvals: new Map([[MSP_ID, false]]),
      mismatches: new Map([[MSP_ID, { items: ['EndorsementInfo', 'Collections'] }]]),
    })
  })

  it('refuses in Fabric’s words', async () => {
    await using ledger = await goldenLedger(3)
    const peer = await lifecycle(ledger)
    const definition = must(DefinitionArgs.decode(must(goldenInput(2).args[1])))
    const refusal = async (input: Pick<ChaincodeInput, 'args'>, client = 'Admin') => {
      const { status, message } = await peer.call(client, input, await simulate(ledger))
      return `${status} ${message}`
    }
    const backing = (name: string) => `500 failed to invoke backing implementation of '${name}': `
    const commit = (changes: Partial<DefinitionArgs>) => call('CommitChaincodeDefinition', DefinitionArgs, { ...definition, ...changes })
    const approve = (changes: Partial<DefinitionArgs>) =>
      call('ApproveChaincodeDefinitionForMyOrg', DefinitionArgs, { ...definition, ...changes })
    expect(await refusal({ args: [] })).toBe('500 lifecycle scc must be invoked with arguments')
    expect(await refusal({ args: [NAME('x')] })).toBe('500 lifecycle scc operations require exactly two arguments but received 1')
    expect(await refusal(call('QueryChaincodeDefinition', QueryChaincodeDefinitionArgs, { name: 'none' }))).toBe(
      '404 namespace none is not defined',
    )
    expect(await refusal(goldenInput(1), 'User1')).toMatch(
      /^500 Failed to authorize invocation due to failed ACL check: Failed verifying that proposal's creator satisfies local MSP principal /,
    )
    expect(await refusal(commit({}))).toBe(
      `${backing('CommitChaincodeDefinition')}requested sequence is 1, but new definition must be sequence 2`,
    )
    expect(await refusal(commit({ sequence: 2n }))).toBe(
      `${backing('CommitChaincodeDefinition')}chaincode definition not agreed to by this org (Org1MSP)`,
    )
    expect(await refusal(commit({ sequence: 2n, collections: undefined }))).toBe(
      `${backing('CommitChaincodeDefinition')}error validating chaincode definition: the proposed collection config does not contain previously defined collections`,
    )
    const approving = backing('ApproveChaincodeDefinitionForMyOrg')
    expect(await refusal(approve({ sequence: 3n }))).toBe(
      `${approving}requested sequence 3 is larger than the next available sequence number 2`,
    )
    expect(await refusal(approve({ version: '2.0' }))).toBe(
      `${approving}attempted to redefine the current committed sequence (1) for namespace golden with different parameters: expected Version '1.0' does not match passed Version '2.0'`,
    )
    expect(await refusal(goldenInput(1))).toBe(`${approving}attempted to redefine the current committed sequence (1) for namespace golden`)
    expect(await refusal(approve({ name: 'qscc' }))).toBe(
      `${approving}error validating chaincode definition: chaincode name 'qscc' is the name of a system chaincode`,
    )
    expect(await refusal({ args: [NAME('CommitChaincodeDefinition'), Uint8Array.of(0xff)] })).toMatch(
      /could not decode input arg for \*lifecycle\.Invocation\.CommitChaincodeDefinition: /,
    )
    expect(await refusal({ args: [NAME('Foo'), new Uint8Array()] })).toMatch(/failed ACL check/)
  })

  it('serves what is installed, to administrators, without a channel', async () => {
    await using ledger = await goldenLedger(3)
    const peer = await lifecycle(ledger, [{ packageId: PACKAGE_ID, label: 'golden_1.0' }])
    const all = await peer.call('Admin', call('QueryInstalledChaincodes', NoArgs, {}))
    expect(QueryInstalledChaincodesResult.decode(all.payload)).toEqual({
      installedChaincodes: [
        {
          packageId: PACKAGE_ID,
          label: 'golden_1.0',
          references: new Map([[CHANNEL_ID, { chaincodes: [{ name: 'golden', version: '1.0' }] }]]),
        },
      ],
    })
    expect((await peer.call('User1', call('QueryInstalledChaincodes', NoArgs, {}))).status).toBe(500)
    expect(await peer.call('Admin', call('QueryInstalledChaincode', PackageIdArgs, { packageId: 'none' }))).toMatchObject({
      message: "failed to invoke backing implementation of 'QueryInstalledChaincode': could not find chaincode with package id 'none'",
    })
    expect(await peer.call('Admin', call('GetInstalledChaincodePackage', PackageIdArgs, { packageId: 'none' }))).toMatchObject({
      message:
        "failed to invoke backing implementation of 'GetInstalledChaincodePackage': could not load cc install package: chaincode install package 'none' not found",
    })
    expect(await peer.call('Admin', call('InstallChaincode', InstallChaincodeArgs, {}))).toMatchObject({ status: 500 })
    expect(await peer.call('Admin', goldenInput(1))).toMatchObject({
      message:
        "failed to invoke backing implementation of 'ApproveChaincodeDefinitionForMyOrg': error validating chaincode definition: could not get channelconfig for channel ''",
    })
  })
})

describe('endorsementInfo', () => {
  it('reads of a transaction what the real peer reads', async () => {
    await using ledger = await goldenLedger(3)
    const { definitions } = peer(ledger, {}, [{ packageId: PACKAGE_ID, label: 'golden_1.0' }])
    const simulator = await simulate(ledger)
    expect(await definitions.endorsementInfo(CHANNEL_ID, 'golden', simulator)).toEqual({
      version: '1.0',
      enforceInit: false,
      packageId: PACKAGE_ID,
      endorsementPlugin: 'escc',
    })
    simulator.setState('golden', 'a', NAME('1'))
    expect(toHex(writeReadWriteSet((await simulator.results()).public))).toBe(toHex(goldenResults(3)))
  })

  it('refuses in Fabric’s words', async () => {
    await using ledger = await goldenLedger(3)
    const ask = async (of: ReturnType<typeof peer>, channelId: string, name: string) =>
      await of.definitions.endorsementInfo(channelId, name, await simulate(ledger)).catch((error: unknown) => String(error))
    const one = peer(ledger)
    expect(await ask(one, 'other', 'golden')).toBe("KumikoError: could not get channel config for channel 'other'")
    expect(await ask(one, CHANNEL_ID, 'none')).toBe('KumikoError: chaincode none not found')
    expect(await ask(one, CHANNEL_ID, 'golden')).toBe(
      "KumikoError: chaincode definition for 'golden' exists, but chaincode is not installed",
    )
    expect(await ask(peer(ledger, { mspId: 'Org2MSP' }), CHANNEL_ID, 'golden')).toBe(
      "KumikoError: chaincode definition for 'golden' at sequence 1 on channel 'mychannel' has not yet been approved by this org",
    )
    const stale = await simulate(ledger)
    const chaincode = must(await one.chaincodes.chaincode(CHANNEL_ID, 'golden'))
    const changed = { ...chaincode, definition: { ...chaincode.definition, sequence: 2n } }
    const definitions = chaincodeDefinitions({ chaincodes: { chaincode: async () => changed }, channel: one.channel })
    await expect(definitions.endorsementInfo(CHANNEL_ID, 'golden', stale)).rejects.toThrow(
      "chaincode cache at sequence 2 but current sequence is 1, chaincode definition for 'golden' changed during invoke",
    )
  })

  it('names what users start by hand, and what runs in this process', async () => {
    await using ledger = await goldenLedger(3)
    const simulator = await simulate(ledger)
    const packageId = async (options: Partial<ChannelChaincodesOptions>, installed: InstalledPackage[] = []) =>
      (await peer(ledger, options, installed).definitions.endorsementInfo(CHANNEL_ID, 'golden', simulator)).packageId
    const installed = [{ packageId: PACKAGE_ID, label: 'golden_1.0' }]
    expect(await packageId({ isDevMode: true })).toBe('golden:1.0')
    expect(await packageId({ isDevMode: true }, installed)).toBe(PACKAGE_ID)
    expect(await packageId({ ownPackageId: (channelId, name) => `${channelId}/${name}` }, installed)).toBe('mychannel/golden')
  })

  it('sees what was committed, and what was installed, since it was asked last', async () => {
    await using ledger = await goldenLedger(2)
    const installed: InstalledPackage[] = []
    const { definitions, chaincodes } = peer(ledger, {}, installed)
    expect(await chaincodes.chaincode(CHANNEL_ID, 'golden')).toBeUndefined()
    expect(await chaincodes.all(CHANNEL_ID)).toEqual([])
    await ledger.commit(goldenCommit(2))
    expect(await chaincodes.all(CHANNEL_ID)).toMatchObject([{ name: 'golden', isApproved: true, packageId: undefined }])
    installed.push({ packageId: PACKAGE_ID, label: 'golden_1.0' })
    expect(await definitions.endorsementInfo(CHANNEL_ID, 'golden', await simulate(ledger))).toMatchObject({ packageId: PACKAGE_ID })
  })

  it('reads which chaincodes there are once a block', async () => {
    await using ledger = await goldenLedger(3)
    const { chaincodes } = peer(ledger)
    const known = await chaincodes.all(CHANNEL_ID)
    const query = vi.spyOn(ledger, 'query')
    expect(await chaincodes.all(CHANNEL_ID)).toEqual(known)
    expect(query).not.toHaveBeenCalled()
  })
})
