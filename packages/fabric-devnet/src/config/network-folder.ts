import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { stringify } from 'yaml'
import { nodePath, organizationPath, userPath, writeOrganization } from '../crypto/organization-folder.ts'
import { connectionProfile, organizationName } from './connection-profile.ts'
import type { Network, NetworkOrganization } from './network.ts'
import { CLIENT_CORE_YAML, environmentFile, peerEnvironment } from './peer-environment.ts'
import { walletEntry } from './wallet.ts'

/** Where crypto material is in a network's folder. */
export const ORGANIZATIONS = 'organizations'

/**
 * Writes for clients all that they need, in the layout of fabric-samples' `test-network`:
 * `organizations/…` (keys, certificates, `connection-org1.json` and `.yaml` in each peer organisation), `wallets/Org1MSP/User1.id`,
 * `env/Org1MSP.sh` and `config/core.yaml` for the `peer` command.
 */
export async function writeNetworkFolder(folder: string, network: Network): Promise<void> {
  const root = resolve(folder)
  const organizations = [...network.organizations.map(({ organization }) => organization), network.ordererOrganization]
  await Promise.all(organizations.map((each) => writeOrganization(join(root, ORGANIZATIONS, organizationPath(each)), each)))
  await writeText(join(root, 'config', 'core.yaml'), CLIENT_CORE_YAML)
  for (const each of network.organizations) await writeForClients(root, network, each)
}

async function writeForClients(root: string, network: Network, each: NetworkOrganization): Promise<void> {
  const { organization } = each
  const home = join(root, ORGANIZATIONS, organizationPath(organization))
  const profile = connectionProfile(network, each)
  const name = join(home, `connection-${organizationName(organization.mspId).toLowerCase()}`)
  await writeText(`${name}.json`, `${JSON.stringify(profile, null, 2)}\n`)
  await writeText(`${name}.yaml`, stringify(profile))
  for (const user of organization.users) {
    const label = user.name.slice(0, user.name.lastIndexOf('@'))
    const entry = JSON.stringify(walletEntry(organization.mspId, user))
    await writeText(join(root, 'wallets', organization.mspId, `${label}.id`), entry)
  }
  const variables = environmentOf(root, network, each)
  if (variables !== undefined) await writeText(join(root, 'env', `${organization.mspId}.sh`), environmentFile(variables))
}

/**
 * The variables with which the `peer` command acts for an organisation's admin.
 * @param root - The network's folder, absolute.
 * @returns Undefined where the network has no orderer, or the organisation no peer.
 */
export function environmentOf(
  root: string,
  network: Network,
  { organization, peers }: NetworkOrganization,
): Readonly<Record<string, string>> | undefined {
  const [peer] = peers
  const [orderer] = network.orderers
  if (peer === undefined || orderer === undefined) return
  const home = join(root, ORGANIZATIONS, organizationPath(organization))
  const ordererHome = join(root, ORGANIZATIONS, organizationPath(network.ordererOrganization))
  return peerEnvironment({
    mspId: organization.mspId,
    peerAddress: peer.address,
    tlsRootCert: join(home, nodePath(organization, peer), 'tls', 'ca.crt'),
    admin: join(home, userPath(organization.admin)),
    configFolder: join(root, 'config'),
    ordererAddress: orderer.address,
    ordererTlsCa: join(ordererHome, nodePath(network.ordererOrganization, orderer), 'tls', 'ca.crt'),
  })
}

async function writeText(path: string, content: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, content, { mode: 0o600 })
}
