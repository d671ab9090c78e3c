import { webcrypto } from 'node:crypto'
import { createSigner, type IdentitySigner, type OrganizationProfile, X509Msp } from '@kumiko/fabric-msp'
import { FabricMspConfig } from '@kumiko/fabric-protocol'
import { type Credential, issue, issueCa, revoke } from './fabric-certificates.ts'
import { organizationProfile } from './fabric-channel.ts'
import { must } from './must.ts'

/** Certificates begin so early that any time of a test is later. */
const FROM = '2020-01-01T00:00:00Z'

/** The units that NodeOUs tell apart. */
export type Unit = 'client' | 'peer' | 'admin' | 'orderer'

/** An organisation with a CA, which issues what members it is asked for. */
export class Authority {
  readonly mspId: string
  readonly #ca: Credential
  readonly #revoked: string[] = []
  #serial = 1

  private constructor(mspId: string, ca: Credential) {
    this.mspId = mspId
    this.#ca = ca
  }

  static async found(mspId: string): Promise<Authority> {
    return new Authority(mspId, await issueCa(`ca.${mspId}`, { from: FROM, serial: '01' }))
  }

  /** A member. @param wanted - `to`: when the certificate ends. `mspId`: what the member says instead. `isRevoked`: see {@link config}. */
  async member(
    unit: Unit,
    wanted: { readonly to?: string; readonly isRevoked?: boolean; readonly mspId?: string } = {},
  ): Promise<IdentitySigner> {
    const serial = (++this.#serial).toString(16).padStart(4, '0')
    const to = wanted.to ?? '2046-01-01T00:00:00Z'
    const { keys, pem } = await issue({ name: `${unit}${serial}`, units: [unit], serial, issuer: this.#ca, from: FROM, to })
    if (wanted.isRevoked === true) this.#revoked.push(serial)
    const msp = must(X509Msp.from(await this.config(wanted.mspId), 'V1_4_3'))
    const key = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
    return createSigner(must(msp.identityFrom(pem)), `-----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----\n`)
  }

  /** The organisation in a channel. */
  async profile(): Promise<OrganizationProfile> {
    return organizationProfile(this.mspId, await this.config())
  }

  /** The organisation's MSP as a channel has it. */
  async config(mspId: string = this.mspId): Promise<FabricMspConfig> {
    const unit = (organizationalUnitIdentifier: Unit) => ({ certificate: new Uint8Array(), organizationalUnitIdentifier })
    return FabricMspConfig.create({
      name: mspId,
      rootCerts: [this.#ca.pem],
      revocationList: this.#revoked.length === 0 ? [] : [await revoke(this.#ca, this.#revoked)],
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
