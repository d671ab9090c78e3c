export type { ContractClass } from '@kumiko/fabric-chaincode'
export * from './blocks/block-log.ts'
export * from './blocks/block-summary.ts'
export type { GatewayAccess } from './client/gateway-access.ts'
export * from './config/channel.ts'
export * from './config/connection-profile.ts'
export * from './config/network.ts'
export { environmentOf, writeNetworkFolder } from './config/network-folder.ts'
export * from './config/peer-environment.ts'
export * from './config/wallet.ts'
export * from './crypto/certificate-authority.ts'
export * from './crypto/organization.ts'
export * from './crypto/organization-folder.ts'
export type { ChaincodeTerms, CollectionDefinition } from './deployment/definition.ts'
export { type Devnet, devnet } from './devnet.ts'
export type { Faults } from './faults/faults.ts'
export type { ContractFailure } from './observation.ts'
export type {
  ChaincodeObject,
  ChaincodeService,
  ContractDefinition,
  ContractInput,
  DevnetOptions,
  DialingChaincode,
  OrganizationInput,
  PortOptions,
} from './options.ts'
