export { type BuiltChaincodesOptions, builtChaincodes } from './builders/built-chaincodes.ts'
export { ccaasBuilder } from './builders/ccaas-builder.ts'
export * from './builders/chaincode-builds.ts'
export { type ExternalBuilderOptions, externalBuilder } from './builders/external-builder.ts'
export * from './builders/package-builder.ts'
export {
  type ChaincodeAuthority,
  type ChaincodeAuthorityOptions,
  chaincodeAuthority,
  type KeyAndCertificate,
} from './connectors/chaincode-authority.ts'
export { chaincodeServices } from './connectors/chaincode-service.ts'
export { chaincodeSupport } from './connectors/chaincode-support.ts'
export { type ChaincodeServer, readConnectionFile } from './connectors/connection-file.ts'
export type { ShimChaincode, ShimResponse } from './connectors/fabric-shim.ts'
export {
  type ChaincodeCode,
  type ContractClass,
  type InProcessChaincode,
  type InProcessChaincodeOptions,
  inProcessChaincode,
} from './connectors/in-process.ts'
export type { RunningTransaction, TransactionFailure, TransactionObserver } from './connectors/transaction-observer.ts'
export * from './contract.ts'
export {
  type ChaincodePackage,
  type CodeFile,
  labelProblem,
  type PackageMetadata,
  packageId,
  readCode,
  readPackage,
} from './packages/chaincode-package.ts'
export * from './packages/install-store.ts'
export * from './packages/installed-package.ts'
export * from './packages/package-installer.ts'
export { type StateIndex, stateIndexes } from './packages/state-indexes.ts'
export { ARCHIVE_LIMITS, type ArchivedFile, type ArchiveLimits } from './packages/tar-archive.ts'
export * from './packages/write-package.ts'
export { type CollectionState, chaincodeCollection, isCollectionOf } from './requests/collections.ts'
export * from './runtime/chaincode-runtime.ts'
export * from './runtime/connector.ts'
export { chaincodeDefinitions } from './system/chaincode-definitions.ts'
export * from './system/channel-chaincodes.ts'
export * from './system/configuration-chaincode.ts'
export * from './system/index-deployment.ts'
export { legacyChaincode } from './system/legacy-chaincode.ts'
export * from './system/lifecycle-chaincode.ts'
export { type QueryChaincodeOptions, queryChaincode } from './system/query-chaincode.ts'
