import { FabricMspConfig } from '@kumiko/fabric-protocol'
import type { RandomBytes } from '@kumiko/interface'
import { CertificateAuthority, type KeyAndCertificate, type NodeUnit, type Validity } from './certificate-authority.ts'

/** Who takes part in a network: with an identity to sign with, and a certificate for TLS. */
export interface Member {
  /** `peer0.org1.example.com`, `User1@org1.example.com`. */
  readonly name: string
  readonly unit: NodeUnit
  readonly identity: KeyAndCertificate
  readonly tls: KeyAndCertificate
}

/** An organisation to be. */
export interface OrganizationOptions extends Validity {
  readonly kind: 'peer' | 'orderer'
  /** `Org1MSP`. */
  readonly mspId: string
  /** `org1.example.com`. */
  readonly domain: string
  /** Names of its nodes: `peer0`. */
  readonly nodes: readonly string[]
  /** Names of its users besides `Admin`: `User1`. */
  readonly users: readonly string[]
  /** More names or IP addresses by which its nodes are reached, besides their own, `localhost`, `127.0.0.1` and `::1`. */
  readonly hosts?: readonly string[]
  readonly randomBytes?: RandomBytes
}

/** What {@link Organization} holds. */
export interface OrganizationParts {
  readonly ca: CertificateAuthority
  readonly tlsCa: CertificateAuthority
  readonly nodes: readonly Member[]
  readonly users: readonly Member[]
}

/** An organisation with its CAs, so that more people can be enrolled at any time. */
export class Organization {
  readonly kind: 'peer' | 'orderer'
  readonly mspId: string
  readonly domain: string
  readonly ca: CertificateAuthority
  readonly tlsCa: CertificateAuthority
  /** By name: `peer0`. */
  readonly nodes: ReadonlyMap<string, Member>
  /** By name: `Admin`, `User1`. Bounded by who asks for users. */
  readonly #users = new Map<string, Member>()

  private constructor({ kind, mspId, domain }: OrganizationOptions, { ca, tlsCa, nodes, users }: OrganizationParts) {
    this.kind = kind
    this.mspId = mspId
    this.domain = domain
    this.ca = ca
    this.tlsCa = tlsCa
    this.nodes = new Map(nodes.map((member) => [firstLabel(member.name), member]))
    for (const member of users) this.#users.set(userOf(member.name), member)
  }

  /** Makes keys and certificates of CAs, nodes, the admin and users. */
  static async create(options: OrganizationOptions): Promise<Organization> {
    const { domain, hosts = [] } = options
    const ca = await CertificateAuthority.create({ ...options, commonName: `ca.${domain}`, organization: domain })
    const tlsCa = await CertificateAuthority.create({ ...options, commonName: `tlsca.${domain}`, organization: domain })
    const nodes: Member[] = []
    for (const node of options.nodes) {
      const name = `${node}.${domain}`
      const identity = await ca.enrol({ commonName: name, unit: options.kind })
      const tls = await tlsCa.enrolTls({ commonName: name, hosts: [name, node, 'localhost', '127.0.0.1', '::1', ...hosts] })
      nodes.push({ name, unit: options.kind, identity, tls })
    }
    const organization = new Organization(options, { ca, tlsCa, nodes, users: [] })
    for (const user of ['Admin', ...options.users]) await organization.enrol(user)
    return organization
  }

  /** Goes on with what was written. */
  static restore(options: OrganizationOptions, parts: OrganizationParts): Organization {
    return new Organization(options, parts)
  }

  /** `Admin` and whoever was enrolled. */
  get users(): readonly Member[] {
    return [...this.#users.values()]
  }

  /** Who may administer it. */
  get admin(): Member {
    const admin = this.#users.get('Admin')
    if (admin === undefined) throw new Error('an organisation is made with its admin')
    return admin
  }

  /** A user, if enrolled. @param name - `User1`. */
  user(name: string): Member | undefined {
    return this.#users.get(name)
  }

  /** Enrols a user, unless there is one of that name. @param attributes - What chaincode may ask of its caller. */
  async enrol(name: string, attributes?: Readonly<Record<string, string>>): Promise<Member> {
    const known = this.#users.get(name)
    if (known !== undefined) return known
    const unit = name === 'Admin' ? 'admin' : 'client'
    const commonName = `${name}@${this.domain}`
    const identity = await this.ca.enrol({ commonName, unit, ...(attributes !== undefined && { attributes }) })
    const member: Member = { name: commonName, unit, identity, tls: await this.tlsCa.enrolTls({ commonName }) }
    this.#users.set(name, member)
    return member
  }

  /** Its MSP as channels have it: CAs and node OUs. */
  get mspConfig(): FabricMspConfig {
    const certificate = bytes(this.ca.certificate)
    const unit = (organizationalUnitIdentifier: NodeUnit) => ({ certificate, organizationalUnitIdentifier })
    return FabricMspConfig.create({
      name: this.mspId,
      rootCerts: [certificate],
      tlsRootCerts: [bytes(this.tlsCa.certificate)],
      cryptoConfig: { signatureHashFamily: 'SHA2', identityIdentifierHashFunction: 'SHA256' },
      fabricNodeOus: {
        enable: true,
        clientOuIdentifier: unit('client'),
        peerOuIdentifier: unit('peer'),
        adminOuIdentifier: unit('admin'),
        ordererOuIdentifier: unit('orderer'),
      },
    })
  }
}

function firstLabel(name: string): string {
  return name.slice(0, name.indexOf('.'))
}

function userOf(name: string): string {
  return name.slice(0, name.lastIndexOf('@'))
}

function bytes(pem: string): Uint8Array {
  return new TextEncoder().encode(pem)
}
