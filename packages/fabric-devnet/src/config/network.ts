import type { Organization } from '../crypto/organization.ts'

/** Where a node is reached. */
export interface NodeAddress {
  /** `peer0.org1.example.com`. */
  readonly name: string
  /** `localhost:7051`. */
  readonly address: string
}

/** An organisation of a network that runs, with its peers. */
export interface NetworkOrganization {
  readonly organization: Organization
  readonly peers: readonly NodeAddress[]
}

/** A network that runs, as clients must know it. */
export interface Network {
  readonly channelId: string
  readonly organizations: readonly NetworkOrganization[]
  readonly ordererOrganization: Organization
  readonly orderers: readonly NodeAddress[]
}
