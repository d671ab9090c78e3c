import type { ChaincodeCode, ContractClass } from '@kumiko/fabric-chaincode'
import type { OpenStateDatabase } from '@kumiko/fabric-ledger'
import type { Clock } from '@kumiko/interface'
import type { ComponentLogger } from '@libp2p/interface'
import type { BatchOptions } from './config/channel.ts'
import type { ChaincodeTerms } from './deployment/definition.ts'
import type { ContractFailure } from './observation.ts'

/** A contract with what the organisations agree on about it. */
export interface ContractDefinition extends ChaincodeTerms {
  /** A class that extends `Contract` of `fabric-contract-api`, or several, the first the default. */
  readonly contract: ContractClass | readonly ContractClass[]
}

/** Code of another kind: an object that implements `ChaincodeInterface` of `fabric-shim`. */
export interface ChaincodeObject extends ChaincodeTerms {
  readonly chaincode: Extract<ChaincodeCode, { readonly chaincode: unknown }>['chaincode']
}

/** A chaincode that runs elsewhere: as a service (CCAAS), which each peer dials. It is started with the id `name:version`. */
export interface ChaincodeService extends ChaincodeTerms {
  /** `localhost:9999`, without TLS. */
  readonly address: string
}

/** A chaincode that runs elsewhere and dials the peers: Fabric's development mode. It is started with the id `name:version`. */
export interface DialingChaincode extends ChaincodeTerms {
  readonly dialsIn: true
}

/** A contract of a network. */
export type ContractInput = ContractClass | ContractDefinition | ChaincodeObject | ChaincodeService | DialingChaincode

/** An organisation of a network. */
export interface OrganizationInput {
  /** `Org1`; its MSP is `Org1MSP`. */
  readonly name: string
  /** Default: the name in lower case, in `example.com`. */
  readonly domain?: string
  /** Default: {@link DevnetOptions.peersPerOrg}. */
  readonly peers?: number
  /** Default: {@link DevnetOptions.users}. */
  readonly users?: readonly string[]
}

/** Ports on which a network listens. */
export interface PortOptions {
  readonly orderer: number
  /** In the order of organisations, then of their peers; those that are not given are any. */
  readonly peers: readonly number[]
  /** Where chaincode that dials in does so, in the same order. */
  readonly chaincode?: readonly number[]
}

/** What a network is made of. */
export interface DevnetOptions {
  /** Contracts by the name that clients call them by. Default: none. */
  readonly contracts?: Readonly<Record<string, ContractInput>>
  /** How many organisations, which are then `Org1`, `Org2` and so on; or which. Default 1. */
  readonly orgs?: number | readonly OrganizationInput[]
  /** Default 1. */
  readonly peersPerOrg?: number
  /** Users of each organisation besides `Admin`; others are enrolled when they are asked for. Default `['User1']`. */
  readonly users?: readonly string[]
  /** Default `mychannel`. */
  readonly channelId?: string
  /** Where blocks, keys and files for clients go; a network that is there goes on. Default: nowhere, the network is gone when it ends. */
  readonly folder?: string
  /** Makes all keys and certificates the same each time. Whoever knows it knows the keys. Default: none. */
  readonly seed?: number | string
  /** Default: `timeoutMs` 10, `transactionsMax` 100; with a {@link clock} of your own each transaction is a block, since time may stand. */
  readonly batch?: BatchOptions
  /** Where a peer keeps a channel's state: in a CouchDB, to query it. Default: in memory, or with a {@link folder} in LevelDB. */
  readonly openState?: (peer: string, channelId: string) => OpenStateDatabase
  /** Default: any that are free. */
  readonly ports?: PortOptions
  /** What the nodes take for the time. It should be near to the machine's, by which clients and TLS go. Default: the machine's. */
  readonly clock?: Clock
  /** How long a transaction may run, milliseconds. Default 30,000, as Fabric's; a debugger may need more. */
  readonly executeTimeoutMs?: number
  /** Is told what a contract that runs in this process fails of: of a transaction once for each peer that was asked. Default: nobody. */
  readonly onFailure?: (failure: ContractFailure) => void
  readonly logger?: ComponentLogger
}

/** A contract of a network, with what runs it. */
export interface NamedContract {
  readonly name: string
  readonly terms: ChaincodeTerms
  readonly runs: ContractRunner
}

/** Where a contract's code is. */
export type ContractRunner = { readonly code: ChaincodeCode } | Pick<ChaincodeService, 'address'> | Pick<DialingChaincode, 'dialsIn'>

/** Reads an option. */
export function namedContract(name: string, input: ContractInput): NamedContract {
  if (typeof input === 'function') return { name, terms: {}, runs: { code: { contracts: [input] } } }
  return { name, terms: input, runs: runnerOf(input) }
}

function runnerOf(input: Exclude<ContractInput, ContractClass>): ContractRunner {
  if ('address' in input) return { address: input.address }
  if ('dialsIn' in input) return { dialsIn: true }
  if ('chaincode' in input) return { code: { chaincode: input.chaincode } }
  const { contract } = input
  return { code: { contracts: typeof contract === 'function' ? [contract] : contract } }
}

/** An organisation with nothing left out. */
export interface NamedOrganization {
  readonly mspId: string
  readonly domain: string
  readonly peers: readonly string[]
  readonly users: readonly string[]
}

/** Reads an option. */
export function namedOrganizations({ orgs = 1, peersPerOrg = 1, users = ['User1'] }: DevnetOptions): readonly NamedOrganization[] {
  const inputs: readonly OrganizationInput[] =
    typeof orgs === 'number' ? Array.from({ length: orgs }, (_, at) => ({ name: `Org${at + 1}` })) : orgs
  return inputs.map((input) => ({
    mspId: `${input.name}MSP`,
    domain: input.domain ?? `${input.name.toLowerCase()}.example.com`,
    peers: Array.from({ length: input.peers ?? peersPerOrg }, (_, at) => `peer${at}`),
    users: input.users ?? users,
  }))
}
