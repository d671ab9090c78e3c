import { join } from 'node:path'
import type { Millis } from '@kumiko/interface'
import type { NamedOrganization } from '../options.ts'
import { Organization, type OrganizationOptions } from './organization.ts'
import { organizationPath, readOrganization } from './organization-folder.ts'
import { seededBytes } from './seeded-bytes.ts'

/** The keys and certificates of a network. */
export interface NetworkCrypto {
  readonly peerOrganizations: readonly Organization[]
  readonly ordererOrganization: Organization
}

/** How they are made. */
export interface NetworkCryptoOptions {
  readonly organizations: readonly NamedOrganization[]
  readonly seed: number | string | undefined
  /** Where they are taken from, as far as they are there. */
  readonly folder: string | undefined
  /** What nodes take for the time, Unix milliseconds. */
  readonly now: Millis
}

const YEAR_MS = 365 * 24 * 3_600_000

/** Makes the keys and certificates of a network, or reads them. */
export async function networkCrypto({ organizations, seed, folder, now }: NetworkCryptoOptions): Promise<NetworkCrypto> {
  const validity = seed === undefined ? validityAround(now) : { notBefore: Date.UTC(2020, 0), notAfter: Date.UTC(2049, 11) }
  const make = async (options: Omit<OrganizationOptions, 'notBefore' | 'notAfter'>): Promise<Organization> => {
    const whole = { ...options, ...validity, ...(seed !== undefined && { randomBytes: seededBytes(seed, options.mspId) }) }
    const read = folder === undefined ? undefined : await readOrganization(join(folder, organizationPath(options)), whole)
    return read ?? (await Organization.create(whole))
  }
  const orderer = make({ kind: 'orderer', mspId: 'OrdererMSP', domain: 'example.com', nodes: ['orderer'], users: [] })
  const peers = organizations.map(({ mspId, domain, peers, users }) => make({ kind: 'peer', mspId, domain, nodes: peers, users }))
  return { ordererOrganization: await orderer, peerOrganizations: await Promise.all(peers) }
}

/** Certificates hold by the nodes' clock and by the machine's: TLS goes by that. Minutes, so that they look made on purpose. */
function validityAround(now: Millis): { readonly notBefore: Millis; readonly notAfter: Millis } {
  const [first, last] = [Math.min(now, Date.now()), Math.max(now, Date.now())]
  return { notBefore: Math.max(0, Math.floor(first / 60_000 - 5) * 60_000), notAfter: last + 10 * YEAR_MS }
}
