import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { FabricMspConfig, type NodeOus, type OuIdentifier } from '@kumiko/fabric-protocol'
import { isFault, KumikoError } from '@kumiko/interface'
import { parse } from 'yaml'
import type { X509Identity } from './identity.ts'
import { X509Msp } from './msp.ts'
import type { MspVersion } from './node-ous.ts'
import { decodePem } from './pem.ts'
import { createSigner, type IdentitySigner, isKeyOf } from './signer.ts'

/** How a folder is read. */
export interface MspFolderOptions {
  /** The organisation's id, which the folder does not hold: `Org1MSP`. */
  readonly mspId: string
  /** Which rules hold; `V1_4_3` if not given, as for Fabric's local MSPs. */
  readonly version?: MspVersion
}

/** An MSP of our own. */
export interface LocalMsp extends IdentitySigner {
  readonly msp: X509Msp
}

/**
 * Reads an MSP from a folder in Fabric's shape (`msp/configbuilder.go`): `cacerts`, and if they exist `admincerts`, `intermediatecerts`, `tlscacerts`,
 * `tlsintermediatecerts`, `crls` and `config.yaml`. Files without PEM, and folders in them, are passed over.
 * @throws KumikoError `fabric-msp/bad-folder`, its context holding `path`, and `fault` if the MSP's rules refuse what was read.
 */
export async function loadMspFolder(path: string, { mspId, version = 'V1_4_3' }: MspFolderOptions): Promise<X509Msp> {
  const msp = X509Msp.from(await readMspFolder(path, mspId), version)
  if (!isFault(msp)) return msp
  throw badFolder(path, `${msp.detail ?? msp.fault} (${msp.fault}): mend or replace it`, { fault: msp.fault })
}

/**
 * {@link loadMspFolder} with its signing identity: the first certificate in `signcerts` and its private key, whichever file in `keystore` holds it.
 * @param options - `now`: Unix milliseconds, the machine's time if not given; a signing certificate that ended by then is refused.
 * @throws KumikoError as there, also where certificate or key are missing or the certificate is no member's.
 */
export async function loadLocalMsp(path: string, options: MspFolderOptions & { readonly now?: number }): Promise<LocalMsp> {
  const msp = await loadMspFolder(path, options)
  const [pem] = await readPems(join(path, 'signcerts'))
  if (pem === undefined && !(await isFolder(join(path, 'signcerts'))))
    throw badFolder(path, 'it has no folder signcerts, as one of an organisation, which signs nothing: give that of a node or a user')
  if (pem === undefined) throw badFolder(join(path, 'signcerts'), 'no certificate in PEM: put the signing certificate there')
  const identity = msp.identityFrom(pem)
  if (isFault(identity))
    throw badFolder(join(path, 'signcerts'), `${identity.detail ?? identity.fault}: give a certificate of one of its CAs`)
  if (identity.expiresAt * 1000 <= (options.now ?? Date.now())) {
    throw badFolder(join(path, 'signcerts'), 'the signing certificate has expired: enrol again')
  }
  return { msp, ...createSigner(identity, await findKey(join(path, 'keystore'), identity)) }
}

/** What the folder holds, its certificates not yet read. @throws KumikoError `fabric-msp/bad-folder` */
export async function readMspFolder(path: string, mspId: string): Promise<FabricMspConfig> {
  await seeFolder(path)
  const rootCerts = await readPems(join(path, 'cacerts'))
  if (rootCerts.length === 0)
    throw badFolder(join(path, 'cacerts'), 'no certificate in PEM: put those of the root CAs there, or give another folder')
  const tlsRootCerts = await readPems(join(path, 'tlscacerts'))
  return FabricMspConfig.create({
    name: mspId,
    rootCerts,
    intermediateCerts: await readPems(join(path, 'intermediatecerts')),
    admins: await readPems(join(path, 'admincerts')),
    revocationList: await readPems(join(path, 'crls')),
    tlsRootCerts,
    tlsIntermediateCerts: tlsRootCerts.length === 0 ? [] : await readPems(join(path, 'tlsintermediatecerts')),
    ...(await readUnits(path)),
  })
}

async function seeFolder(path: string): Promise<void> {
  if (await isFile(path)) throw badFolder(path, 'it is a file: give the folder that has cacerts, signcerts and keystore')
  if (!(await isFolder(path))) throw badFolder(path, 'there is no such folder: correct the path')
  if (await isFolder(join(path, 'cacerts'))) return
  const isAbove = await isFolder(join(path, 'msp', 'cacerts'))
  throw badFolder(path, `it has no folder cacerts: ${isAbove ? 'give the folder msp in it' : 'give another, or put the root CAs there'}`)
}

async function isFolder(path: string): Promise<boolean> {
  const stats = await stat(path).catch(() => undefined)
  return stats?.isDirectory() === true
}

/** More files than a folder of an MSP has ever; the rest is not read. */
const FILES_MAX = 1000

/** The files with PEM in them, by name; none if there is no such folder. */
async function readPems(folder: string): Promise<Uint8Array[]> {
  const files = await filesIn(folder)
  const contents = await Promise.all(files.map((file) => readBytes(file)))
  return contents.filter((content) => decodePem(content) !== undefined)
}

async function filesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((cause: unknown) => {
    if (isMissing(cause)) return []
    throw badFolder(folder, 'cannot be read: let the node read it', {}, cause)
  })
  const paths = names.sort().map((name) => join(folder, name))
  const areFiles = await Promise.all(paths.slice(0, FILES_MAX).map(isFile))
  return paths.filter((_, i) => areFiles[i] === true)
}

async function isFile(path: string): Promise<boolean> {
  const stats = await stat(path).catch(() => undefined)
  return stats?.isFile() === true
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(path))
  } catch (cause) {
    throw badFolder(path, 'cannot be read: let the node read it', {}, cause)
  }
}

async function findKey(folder: string, identity: X509Identity): Promise<string> {
  for (const file of await filesIn(folder)) {
    const pem = new TextDecoder().decode(await readBytes(file))
    if (isKeyOf(identity, pem)) return pem
  }
  throw badFolder(folder, 'no private key of the signing certificate: put it there as PEM, PKCS #8 and not encrypted')
}

type Units = Partial<Pick<FabricMspConfig, 'organizationalUnitIdentifiers' | 'fabricNodeOus'>>

async function readUnits(folder: string): Promise<Units> {
  const path = join(folder, 'config.yaml')
  if (!(await isFile(path))) return {}
  const config = parseYaml(path, new TextDecoder().decode(await readBytes(path)))
  const identifiers = field(config, 'OrganizationalUnitIdentifiers')
  const organizationalUnitIdentifiers = await Promise.all(
    (Array.isArray(identifiers) ? identifiers : []).map((each) => readUnit(folder, each)),
  )
  const nodeOus = await readNodeOus(folder, field(config, 'NodeOUs'))
  return { organizationalUnitIdentifiers, ...(nodeOus && { fabricNodeOus: nodeOus }) }
}

function parseYaml(path: string, text: string): unknown {
  try {
    return parse(text)
  } catch (cause) {
    throw badFolder(path, 'is no YAML: mend it', {}, cause)
  }
}

async function readNodeOus(folder: string, nodeOus: unknown): Promise<NodeOus | undefined> {
  if (field(nodeOus, 'Enable') !== true) return undefined
  const read = async (name: string): Promise<OuIdentifier | undefined> => {
    const unit = await readUnit(folder, field(nodeOus, name))
    return unit.organizationalUnitIdentifier === '' ? undefined : unit
  }
  const [clientOuIdentifier, peerOuIdentifier] = await Promise.all([read('ClientOUIdentifier'), read('PeerOUIdentifier')])
  const [adminOuIdentifier, ordererOuIdentifier] = await Promise.all([read('AdminOUIdentifier'), read('OrdererOUIdentifier')])
  return { enable: true, clientOuIdentifier, peerOuIdentifier, adminOuIdentifier, ordererOuIdentifier }
}

/** A certificate that is named but missing is an error here; Fabric goes on without the check that it was named for. */
async function readUnit(folder: string, unit: unknown): Promise<OuIdentifier> {
  const certificate = textIn(unit, 'Certificate')
  const organizationalUnitIdentifier = textIn(unit, 'OrganizationalUnitIdentifier')
  if (certificate === '' || organizationalUnitIdentifier === '') return { certificate: new Uint8Array(0), organizationalUnitIdentifier }
  return { certificate: await readBytes(join(folder, certificate)), organizationalUnitIdentifier }
}

function textIn(value: unknown, name: string): string {
  const text = field(value, name)
  return typeof text === 'string' ? text : ''
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && name in value ? Reflect.get(value, name) : undefined
}

function isMissing(cause: unknown): boolean {
  return field(cause, 'code') === 'ENOENT'
}

function badFolder(path: string, what: string, context: Readonly<Record<string, unknown>> = {}, cause?: unknown): KumikoError {
  return new KumikoError('fabric-msp/bad-folder', `MSP folder ${path}: ${what}`, { context: { path, ...context }, cause })
}
