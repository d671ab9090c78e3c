import fabric from '@hyperledger/fabric-protos'
import { isFault } from '@kumiko/interface'
import { describe, expect, it } from 'vitest'
import * as ours from './lifecycle-messages.ts'
import type { Message } from './message.ts'
import * as queries from './query-messages.ts'

const { peer, common } = fabric
const { lifecycle } = peer

/** Ours writes what theirs wrote, having read it, and every field was understood. */
function expectSame<T extends object>(type: Message<T>, theirs: { serializeBinary(): Uint8Array }, value: T): void {
  const source = theirs.serializeBinary()
  const read = type.decode(source)
  if (isFault(read)) throw new Error(read.detail)
  expect(read).toEqual(value)
  expect(type.encode(read)).toEqual(source)
}

const policy = Uint8Array.of(1, 2)
const collections = new peer.CollectionConfigPackage()
collections.addConfig(
  made(new peer.CollectionConfig(), {
    setStaticCollectionConfig: made(new peer.StaticCollectionConfig(), { setName: 'secret', setBlockToLive: 3 }),
  }),
)
const fields = {
  version: '1.0',
  endorsementPlugin: 'escc',
  validationPlugin: 'vscc',
  validationParameter: policy,
  collections: collections.serializeBinary(),
  initRequired: true,
}

/** A message of theirs with values by their setters' names: these return nothing by their types. */
function made<T extends object>(message: T, values: Readonly<Record<string, unknown>>): T {
  for (const [name, value] of Object.entries(values)) {
    const set: unknown = Reflect.get(message, name)
    if (typeof set !== 'function') throw new Error(`no ${name}`)
    Reflect.apply(set, message, [value])
  }
  return message
}

function filled<T extends object>(message: T): T {
  return made(message, {
    setSequence: 2,
    setVersion: '1.0',
    setEndorsementPlugin: 'escc',
    setValidationPlugin: 'vscc',
    setValidationParameter: policy,
    setCollections: collections,
    setInitRequired: true,
  })
}

const local = made(new lifecycle.ChaincodeSource(), {
  setLocalPackage: made(new lifecycle.ChaincodeSource.Local(), { setPackageId: 'a:b' }),
})
const source = { unavailable: undefined, localPackage: { packageId: 'a:b' } }

describe('the lifecycle’s messages are Fabric’s', () => {
  it('about packages', () => {
    expectSame(ours.InstallChaincodeArgs, made(new lifecycle.InstallChaincodeArgs(), { setChaincodeInstallPackage: policy }), {
      chaincodeInstallPackage: policy,
    })
    expectSame(ours.InstallChaincodeResult, made(new lifecycle.InstallChaincodeResult(), { setPackageId: 'a:b', setLabel: 'a' }), {
      packageId: 'a:b',
      label: 'a',
    })
    expectSame(ours.PackageIdArgs, made(new lifecycle.GetInstalledChaincodePackageArgs(), { setPackageId: 'a:b' }), { packageId: 'a:b' })
    const Result = lifecycle.QueryInstalledChaincodesResult
    const references = made(new Result.References(), {
      setChaincodesList: [made(new Result.Chaincode(), { setName: 'cc', setVersion: '1' })],
    })
    const installed = made(new Result.InstalledChaincode(), { setPackageId: 'a:b', setLabel: 'a' })
    installed.getReferencesMap().set('ch', references)
    expectSame(ours.QueryInstalledChaincodesResult, made(new Result(), { setInstalledChaincodesList: [installed] }), {
      installedChaincodes: [
        { packageId: 'a:b', label: 'a', references: new Map([['ch', { chaincodes: [{ name: 'cc', version: '1' }] }]]) },
      ],
    })
    expectSame(
      ours.GetInstalledChaincodePackageResult,
      made(new lifecycle.GetInstalledChaincodePackageResult(), { setChaincodeInstallPackage: policy }),
      { chaincodeInstallPackage: policy },
    )
  })

  it('about approvals and commits', () => {
    const definition = { ...fields, sequence: 2n, name: 'cc' }
    expectSame(
      ours.ApproveChaincodeDefinitionForMyOrgArgs,
      made(filled(made(new lifecycle.ApproveChaincodeDefinitionForMyOrgArgs(), { setName: 'cc' })), { setSource: local }),
      { ...definition, source },
    )
    expectSame(ours.DefinitionArgs, filled(made(new lifecycle.CommitChaincodeDefinitionArgs(), { setName: 'cc' })), definition)
    expectSame(ours.DefinitionArgs, filled(made(new lifecycle.CheckCommitReadinessArgs(), { setName: 'cc' })), definition)
    const readiness = new lifecycle.CheckCommitReadinessResult()
    readiness.getApprovalsMap().set('Org1MSP', false)
    readiness
      .getMismatchesMap()
      .set('Org1MSP', made(new lifecycle.CheckCommitReadinessResult.Mismatches(), { setItemsList: ['Collections'] }))
    expectSame(ours.CheckCommitReadinessResult, readiness, {
      approvals: new Map([['Org1MSP', false]]),
      mismatches: new Map([['Org1MSP', { items: ['Collections'] }]]),
    })
  })

  it('about what is approved and defined', () => {
    expectSame(
      ours.QueryApprovedChaincodeDefinitionArgs,
      made(new lifecycle.QueryApprovedChaincodeDefinitionArgs(), { setName: 'cc', setSequence: 3 }),
      {
        name: 'cc',
        sequence: 3n,
      },
    )
    const unavailable = made(new lifecycle.ChaincodeSource(), { setUnavailable: new lifecycle.ChaincodeSource.Unavailable() })
    expectSame(
      ours.QueryApprovedChaincodeDefinitionResult,
      made(filled(new lifecycle.QueryApprovedChaincodeDefinitionResult()), { setSource: unavailable }),
      { ...fields, sequence: 2n, source: { unavailable: {}, localPackage: undefined } },
    )
    const Approved = lifecycle.QueryApprovedChaincodeDefinitionsResult
    const approved = made(filled(made(new Approved.ApprovedChaincodeDefinition(), { setName: 'cc' })), { setSource: local })
    expectSame(ours.QueryApprovedChaincodeDefinitionsResult, made(new Approved(), { setApprovedChaincodeDefinitionsList: [approved] }), {
      approvedChaincodeDefinitions: [{ ...fields, name: 'cc', sequence: 2n, source }],
    })
    expectSame(ours.QueryChaincodeDefinitionArgs, made(new lifecycle.QueryChaincodeDefinitionArgs(), { setName: 'cc' }), { name: 'cc' })
    const defined = filled(new lifecycle.QueryChaincodeDefinitionResult())
    defined.getApprovalsMap().set('Org1MSP', true)
    expectSame(ours.QueryChaincodeDefinitionResult, defined, { ...fields, sequence: 2n, approvals: new Map([['Org1MSP', true]]) })
    const All = lifecycle.QueryChaincodeDefinitionsResult
    const one = filled(made(new All.ChaincodeDefinition(), { setName: 'cc' }))
    expectSame(ours.QueryChaincodeDefinitionsResult, made(new All(), { setChaincodeDefinitionsList: [one] }), {
      chaincodeDefinitions: [{ ...fields, name: 'cc', sequence: 2n }],
    })
  })
})

describe('what qscc and cscc answer is Fabric’s', () => {
  it('of ledgers', () => {
    const info = made(new common.BlockchainInfo(), { setHeight: 7, setCurrentblockhash: policy, setPreviousblockhash: policy })
    info.setBootstrappingsnapshotinfo(made(new common.BootstrappingSnapshotInfo(), { setLastblockinsnapshot: 3 }))
    expectSame(queries.BlockchainInfo, info, {
      height: 7n,
      currentBlockHash: policy,
      previousBlockHash: policy,
      bootstrappingSnapshotInfo: { lastBlockInSnapshot: 3n },
    })
    const envelope = made(new common.Envelope(), { setPayload: policy, setSignature: policy })
    expectSame(
      queries.ProcessedTransactionMessage,
      made(new peer.ProcessedTransaction(), { setTransactionenvelope: envelope, setValidationcode: 11 }),
      { transactionEnvelope: { payload: policy, signature: policy }, validationCode: 11 },
    )
  })

  it('of channels', () => {
    expectSame(
      queries.ChannelQueryResponse,
      made(new peer.ChannelQueryResponse(), {
        setChannelsList: [made(new peer.ChannelInfo(), { setChannelId: 'a' }), new peer.ChannelInfo()],
      }),
      { channels: [{ channelId: 'a' }, { channelId: '' }] },
    )
    expectSame(
      queries.JoinBySnapshotStatus,
      made(new peer.JoinBySnapshotStatus(), { setInProgress: true, setBootstrappingSnapshotDir: '/snapshots/7' }),
      { inProgress: true, bootstrappingSnapshotDir: '/snapshots/7' },
    )
  })
})
