import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf } from '@kumiko/interface'
import { CertificateAuthority, type KeyAndCertificate } from './certificate-authority.ts'
import { type Member, Organization, type OrganizationOptions } from './organization.ts'
import { readP256Key } from './p256-key.ts'

/** Files by their path in a folder. */
type Files = ReadonlyMap<string, string>

/** Where an organisation is among others, as `cryptogen` places them: `peerOrganizations/org1.example.com`. */
export function organizationPath({ kind, domain }: Pick<Organization, 'kind' | 'domain'>): string {
  return join(`${kind}Organizations`, domain)
}

/** Where a node is in its organisation: `peers/peer0.org1.example.com`. */
export function nodePath({ kind }: Pick<Organization, 'kind'>, { name }: Pick<Member, 'name'>): string {
  return join(`${kind}s`, name)
}

/** Where a user is in its organisation: `users/Admin@org1.example.com`. */
export function userPath({ name }: Pick<Member, 'name'>): string {
  return join('users', name)
}

/** Writes an organisation's keys and certificates in the layout of `cryptogen`. @param folder - For this organisation alone; made. */
export async function writeOrganization(folder: string, organization: Organization): Promise<void> {
  const members = [...organization.nodes.values()].map((node) => memberFiles(organization, nodePath(organization, node), node, 'server'))
  const users = organization.users.map((user) => memberFiles(organization, userPath(user), user, 'client'))
  const files: Files = new Map([
    ...authorityFiles('ca', organization.ca),
    ...authorityFiles('tlsca', organization.tlsCa),
    ...verifyingFiles(organization, 'msp'),
    ...[...members, ...users].flat(),
  ])
  const folders = new Set([...files.keys()].map((path) => join(folder, path, '..')))
  for (const each of folders) await mkdir(each, { recursive: true })
  // Keys lie in them: for the owner alone.
  await Promise.all([...files].map(([path, content]) => writeFile(join(folder, path), content, { mode: 0o600 })))
}

/**
 * Reads what {@link writeOrganization} wrote.
 * @param options - As it was made with; nodes and users are those that are there.
 * @returns Undefined where nothing was written.
 */
export async function readOrganization(folder: string, options: OrganizationOptions): Promise<Organization | undefined> {
  const ca = await readAuthority(folder, 'ca', options)
  const tlsCa = await readAuthority(folder, 'tlsca', options)
  if (ca === undefined || tlsCa === undefined) return
  const nodes = await readMembers(join(folder, `${options.kind}s`), 'server')
  const users = await readMembers(join(folder, 'users'), 'client')
  const unitOf = ({ name }: Pick<Member, 'name'>) => (name.startsWith('Admin@') ? 'admin' : 'client')
  return Organization.restore(options, {
    ca,
    tlsCa,
    nodes: nodes.map((member) => ({ ...member, unit: options.kind })),
    users: users.map((member) => ({ ...member, unit: unitOf(member) })),
  })
}

function authorityFiles(folder: string, authority: CertificateAuthority): [string, string][] {
  return [
    [join(folder, `${authority.commonName}-cert.pem`), authority.certificate],
    [join(folder, 'priv_sk'), authority.privateKey],
  ]
}

/** Of an MSP what everybody may know. */
function verifyingFiles({ ca, tlsCa }: Organization, folder: string): [string, string][] {
  return [
    [join(folder, 'cacerts', `${ca.commonName}-cert.pem`), ca.certificate],
    [join(folder, 'tlscacerts', `${tlsCa.commonName}-cert.pem`), tlsCa.certificate],
    [join(folder, 'config.yaml'), nodeUnits(ca.commonName)],
  ]
}

function memberFiles(organization: Organization, folder: string, member: Member, side: 'server' | 'client'): [string, string][] {
  return [
    ...verifyingFiles(organization, join(folder, 'msp')),
    [join(folder, 'msp', 'signcerts', `${member.name}-cert.pem`), member.identity.certificate],
    [join(folder, 'msp', 'keystore', 'priv_sk'), member.identity.privateKey],
    [join(folder, 'tls', 'ca.crt'), organization.tlsCa.certificate],
    [join(folder, 'tls', `${side}.crt`), member.tls.certificate],
    [join(folder, 'tls', `${side}.key`), member.tls.privateKey],
  ]
}

function nodeUnits(ca: string): string {
  const unit = (name: string): string =>
    `  ${name[0]?.toUpperCase()}${name.slice(1)}OUIdentifier:\n    Certificate: cacerts/${ca}-cert.pem\n    OrganizationalUnitIdentifier: ${name}\n`
  return `NodeOUs:\n  Enable: true\n${['client', 'peer', 'admin', 'orderer'].map(unit).join('')}`
}

async function readAuthority(
  folder: string,
  kind: 'ca' | 'tlsca',
  options: OrganizationOptions,
): Promise<CertificateAuthority | undefined> {
  const commonName = `${kind}.${options.domain}`
  const read = await readPair(join(folder, kind, `${commonName}-cert.pem`), join(folder, kind, 'priv_sk'))
  if (read === undefined) return
  const key = readP256Key(read.privateKey, options.randomBytes !== undefined)
  return CertificateAuthority.restore(read.certificate, key, { ...options, commonName, organization: options.domain })
}

async function readMembers(folder: string, side: 'server' | 'client'): Promise<Omit<Member, 'unit'>[]> {
  const names = (await orMissing(readdir(folder))) ?? []
  const members = await Promise.all(
    names.sort().map(async (name) => {
      const path = join(folder, name)
      const identity = await readPair(join(path, 'msp', 'signcerts', `${name}-cert.pem`), join(path, 'msp', 'keystore', 'priv_sk'))
      const tls = await readPair(join(path, 'tls', `${side}.crt`), join(path, 'tls', `${side}.key`))
      return identity && tls && { name, identity, tls }
    }),
  )
  return members.filter((member) => member !== undefined)
}

async function readPair(certificatePath: string, keyPath: string): Promise<KeyAndCertificate | undefined> {
  const [certificate, privateKey] = await Promise.all([certificatePath, keyPath].map((path) => orMissing(readFile(path, 'utf8'))))
  return certificate === undefined || privateKey === undefined ? undefined : { certificate, privateKey }
}

async function orMissing<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return
    throw error
  }
}
