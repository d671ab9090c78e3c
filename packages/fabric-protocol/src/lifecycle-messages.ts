import {
  bool,
  bytes,
  type Field,
  int64,
  type Message,
  map,
  mapNested,
  message,
  nested,
  oneOf,
  repeatedNested,
  repeatedString,
  string,
} from './message.ts'

/** A chaincode's package, to be installed. `lifecycle.InstallChaincodeArgs`. */
export interface InstallChaincodeArgs {
  /** The package as a file: a `.tar.gz`. */
  readonly chaincodeInstallPackage: Uint8Array
}

/** `lifecycle.InstallChaincodeArgs`. */
export const InstallChaincodeArgs: Message<InstallChaincodeArgs> = message<InstallChaincodeArgs>('lifecycle.InstallChaincodeArgs', {
  chaincodeInstallPackage: bytes(1),
})

/** What a package is called from then on. `lifecycle.InstallChaincodeResult`. */
export interface InstallChaincodeResult {
  /** `label:hash`. */
  readonly packageId: string
  readonly label: string
}

/** `lifecycle.InstallChaincodeResult`. */
export const InstallChaincodeResult: Message<InstallChaincodeResult> = message<InstallChaincodeResult>('lifecycle.InstallChaincodeResult', {
  packageId: string(1),
  label: string(2),
})

/** Which package is meant. `lifecycle.QueryInstalledChaincodeArgs`, `lifecycle.GetInstalledChaincodePackageArgs`. */
export interface PackageIdArgs {
  readonly packageId: string
}

/** `lifecycle.QueryInstalledChaincodeArgs`, and `lifecycle.GetInstalledChaincodePackageArgs`, which has the same fields. */
export const PackageIdArgs: Message<PackageIdArgs> = message<PackageIdArgs>('lifecycle.QueryInstalledChaincodeArgs', {
  packageId: string(1),
})

/** Asks for no more than its name says. `lifecycle.QueryInstalledChaincodesArgs`, `lifecycle.QueryChaincodeDefinitionsArgs` and others. */
export type NoArgs = Record<never, never>

/** A message without fields: several of the lifecycle's arguments and results. */
export const NoArgs: Message<NoArgs> = message<NoArgs>('lifecycle.QueryInstalledChaincodesArgs', {})

/** `lifecycle.QueryInstalledChaincodesResult.Chaincode`. */
export interface ReferencedChaincode {
  readonly name: string
  readonly version: string
}

/** `lifecycle.QueryInstalledChaincodesResult.Chaincode`. */
export const ReferencedChaincode: Message<ReferencedChaincode> = message<ReferencedChaincode>(
  'lifecycle.QueryInstalledChaincodesResult.Chaincode',
  { name: string(1), version: string(2) },
)

/** `lifecycle.QueryInstalledChaincodesResult.References`. */
export interface ChaincodeReferences {
  readonly chaincodes: readonly ReferencedChaincode[]
}

/** `lifecycle.QueryInstalledChaincodesResult.References`. */
export const ChaincodeReferences: Message<ChaincodeReferences> = message<ChaincodeReferences>(
  'lifecycle.QueryInstalledChaincodesResult.References',
  { chaincodes: repeatedNested(1, () => ReferencedChaincode) },
)

/** A package that a peer has. `lifecycle.QueryInstalledChaincodeResult`, `lifecycle.QueryInstalledChaincodesResult.InstalledChaincode`. */
export interface InstalledChaincodeMessage {
  readonly packageId: string
  readonly label: string
  /** By channel: the chaincodes that run it there. */
  readonly references: ReadonlyMap<string, ChaincodeReferences>
}

/** `lifecycle.QueryInstalledChaincodeResult`, and `lifecycle.QueryInstalledChaincodesResult.InstalledChaincode`, which has the same fields. */
export const InstalledChaincodeMessage: Message<InstalledChaincodeMessage> = message<InstalledChaincodeMessage>(
  'lifecycle.QueryInstalledChaincodeResult',
  { packageId: string(1), label: string(2), references: mapNested(3, () => ChaincodeReferences) },
)

/** `lifecycle.QueryInstalledChaincodesResult`. */
export interface QueryInstalledChaincodesResult {
  readonly installedChaincodes: readonly InstalledChaincodeMessage[]
}

/** `lifecycle.QueryInstalledChaincodesResult`. */
export const QueryInstalledChaincodesResult: Message<QueryInstalledChaincodesResult> = message<QueryInstalledChaincodesResult>(
  'lifecycle.QueryInstalledChaincodesResult',
  { installedChaincodes: repeatedNested(1, () => InstalledChaincodeMessage) },
)

/** `lifecycle.GetInstalledChaincodePackageResult`. */
export interface GetInstalledChaincodePackageResult {
  readonly chaincodeInstallPackage: Uint8Array
}

/** `lifecycle.GetInstalledChaincodePackageResult`. */
export const GetInstalledChaincodePackageResult: Message<GetInstalledChaincodePackageResult> = message<GetInstalledChaincodePackageResult>(
  'lifecycle.GetInstalledChaincodePackageResult',
  { chaincodeInstallPackage: bytes(1) },
)

/** Which package an organisation runs. `lifecycle.ChaincodeSource`. */
export interface ChaincodeSource {
  readonly unavailable: NoArgs | undefined
  readonly localPackage: PackageIdArgs | undefined
}

/** `lifecycle.ChaincodeSource`. */
export const ChaincodeSource: Message<ChaincodeSource> = message<ChaincodeSource>('lifecycle.ChaincodeSource', {
  unavailable: oneOf(
    'type',
    nested(1, () => NoArgs),
  ),
  localPackage: oneOf(
    'type',
    nested(2, () => PackageIdArgs),
  ),
})

/** What a definition says of a chaincode, but for its name and sequence. */
export interface DefinitionFields {
  readonly version: string
  /** Empty for `escc`. */
  readonly endorsementPlugin: string
  /** Empty for `vscc`. */
  readonly validationPlugin: string
  /** A `protos.ApplicationPolicy`'s bytes; empty for the channel's own. */
  readonly validationParameter: Uint8Array
  /** A `protos.CollectionConfigPackage`'s bytes; undefined where there is none. */
  readonly collections: Uint8Array | undefined
  readonly initRequired: boolean
}

/** A definition that is to be committed. `lifecycle.CommitChaincodeDefinitionArgs`, `lifecycle.CheckCommitReadinessArgs`. */
export interface DefinitionArgs extends DefinitionFields {
  readonly sequence: bigint
  readonly name: string
}

const named = { sequence: int64(1), name: string(2), ...definitionFields(3) }

/** `lifecycle.CommitChaincodeDefinitionArgs`, and `lifecycle.CheckCommitReadinessArgs`, which has the same fields. */
export const DefinitionArgs: Message<DefinitionArgs> = message<DefinitionArgs>('lifecycle.CommitChaincodeDefinitionArgs', named)

/** `lifecycle.ApproveChaincodeDefinitionForMyOrgArgs`. */
export interface ApproveChaincodeDefinitionForMyOrgArgs extends DefinitionArgs {
  readonly source: ChaincodeSource | undefined
}

/** `lifecycle.ApproveChaincodeDefinitionForMyOrgArgs`. */
export const ApproveChaincodeDefinitionForMyOrgArgs: Message<ApproveChaincodeDefinitionForMyOrgArgs> =
  message<ApproveChaincodeDefinitionForMyOrgArgs>('lifecycle.ApproveChaincodeDefinitionForMyOrgArgs', {
    ...named,
    source: nested(9, () => ChaincodeSource),
  })

/** `lifecycle.CheckCommitReadinessResult.Mismatches`. */
export interface CommitMismatches {
  /** Which parts of the definition an organisation did not approve: `EndorsementInfo`. */
  readonly items: readonly string[]
}

/** `lifecycle.CheckCommitReadinessResult.Mismatches`. */
export const CommitMismatches: Message<CommitMismatches> = message<CommitMismatches>('lifecycle.CheckCommitReadinessResult.Mismatches', {
  items: repeatedString(1),
})

/** `lifecycle.CheckCommitReadinessResult`. */
export interface CheckCommitReadinessResult {
  /** By MSP id. */
  readonly approvals: ReadonlyMap<string, boolean>
  /** By MSP id, of those that did not approve. */
  readonly mismatches: ReadonlyMap<string, CommitMismatches>
}

/** `lifecycle.CheckCommitReadinessResult`. */
export const CheckCommitReadinessResult: Message<CheckCommitReadinessResult> = message<CheckCommitReadinessResult>(
  'lifecycle.CheckCommitReadinessResult',
  { approvals: map(1, bool), mismatches: mapNested(2, () => CommitMismatches) },
)

/** `lifecycle.QueryApprovedChaincodeDefinitionArgs`. */
export interface QueryApprovedChaincodeDefinitionArgs {
  readonly name: string
  /** 0 for the newest. */
  readonly sequence: bigint
}

/** `lifecycle.QueryApprovedChaincodeDefinitionArgs`. */
export const QueryApprovedChaincodeDefinitionArgs: Message<QueryApprovedChaincodeDefinitionArgs> =
  message<QueryApprovedChaincodeDefinitionArgs>('lifecycle.QueryApprovedChaincodeDefinitionArgs', { name: string(1), sequence: int64(2) })

/** `lifecycle.QueryApprovedChaincodeDefinitionResult`. */
export interface QueryApprovedChaincodeDefinitionResult extends DefinitionFields {
  readonly sequence: bigint
  readonly source: ChaincodeSource | undefined
}

/** `lifecycle.QueryApprovedChaincodeDefinitionResult`. */
export const QueryApprovedChaincodeDefinitionResult: Message<QueryApprovedChaincodeDefinitionResult> =
  message<QueryApprovedChaincodeDefinitionResult>('lifecycle.QueryApprovedChaincodeDefinitionResult', {
    sequence: int64(1),
    ...definitionFields(2),
    source: nested(8, () => ChaincodeSource),
  })

/** `lifecycle.QueryApprovedChaincodeDefinitionsResult.ApprovedChaincodeDefinition`. */
export interface ApprovedChaincodeDefinitionMessage extends QueryApprovedChaincodeDefinitionResult {
  readonly name: string
}

/** `lifecycle.QueryApprovedChaincodeDefinitionsResult.ApprovedChaincodeDefinition`. */
export const ApprovedChaincodeDefinitionMessage: Message<ApprovedChaincodeDefinitionMessage> = message<ApprovedChaincodeDefinitionMessage>(
  'lifecycle.QueryApprovedChaincodeDefinitionsResult.ApprovedChaincodeDefinition',
  { name: string(1), sequence: int64(2), ...definitionFields(3), source: nested(9, () => ChaincodeSource) },
)

/** `lifecycle.QueryApprovedChaincodeDefinitionsResult`. */
export interface QueryApprovedChaincodeDefinitionsResult {
  readonly approvedChaincodeDefinitions: readonly ApprovedChaincodeDefinitionMessage[]
}

/** `lifecycle.QueryApprovedChaincodeDefinitionsResult`. */
export const QueryApprovedChaincodeDefinitionsResult: Message<QueryApprovedChaincodeDefinitionsResult> =
  message<QueryApprovedChaincodeDefinitionsResult>('lifecycle.QueryApprovedChaincodeDefinitionsResult', {
    approvedChaincodeDefinitions: repeatedNested(1, () => ApprovedChaincodeDefinitionMessage),
  })

/** `lifecycle.QueryChaincodeDefinitionArgs`. */
export interface QueryChaincodeDefinitionArgs {
  readonly name: string
}

/** `lifecycle.QueryChaincodeDefinitionArgs`. */
export const QueryChaincodeDefinitionArgs: Message<QueryChaincodeDefinitionArgs> = message<QueryChaincodeDefinitionArgs>(
  'lifecycle.QueryChaincodeDefinitionArgs',
  { name: string(1) },
)

/** `lifecycle.QueryChaincodeDefinitionResult`. */
export interface QueryChaincodeDefinitionResult extends DefinitionFields {
  readonly sequence: bigint
  /** By MSP id. */
  readonly approvals: ReadonlyMap<string, boolean>
}

/** `lifecycle.QueryChaincodeDefinitionResult`. */
export const QueryChaincodeDefinitionResult: Message<QueryChaincodeDefinitionResult> = message<QueryChaincodeDefinitionResult>(
  'lifecycle.QueryChaincodeDefinitionResult',
  { sequence: int64(1), ...definitionFields(2), approvals: map(8, bool) },
)

/** `lifecycle.QueryChaincodeDefinitionsResult.ChaincodeDefinition`. */
export interface ChaincodeDefinitionMessage extends DefinitionFields {
  readonly name: string
  readonly sequence: bigint
}

/** `lifecycle.QueryChaincodeDefinitionsResult.ChaincodeDefinition`. */
export const ChaincodeDefinitionMessage: Message<ChaincodeDefinitionMessage> = message<ChaincodeDefinitionMessage>(
  'lifecycle.QueryChaincodeDefinitionsResult.ChaincodeDefinition',
  { name: string(1), sequence: int64(2), ...definitionFields(3) },
)

/** `lifecycle.QueryChaincodeDefinitionsResult`. */
export interface QueryChaincodeDefinitionsResult {
  readonly chaincodeDefinitions: readonly ChaincodeDefinitionMessage[]
}

/** `lifecycle.QueryChaincodeDefinitionsResult`. */
export const QueryChaincodeDefinitionsResult: Message<QueryChaincodeDefinitionsResult> = message<QueryChaincodeDefinitionsResult>(
  'lifecycle.QueryChaincodeDefinitionsResult',
  { chaincodeDefinitions: repeatedNested(1, () => ChaincodeDefinitionMessage) },
)

/** These are the same everywhere, but for where they begin. */
function definitionFields(first: number): { readonly [Name in keyof DefinitionFields]-?: Field<DefinitionFields[Name]> } {
  return {
    version: string(first),
    endorsementPlugin: string(first + 1),
    validationPlugin: string(first + 2),
    validationParameter: bytes(first + 3),
    collections: oneOf('collections', bytes(first + 4)),
    initRequired: bool(first + 5),
  }
}
