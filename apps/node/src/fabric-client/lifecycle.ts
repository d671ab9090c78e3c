import { packageChaincode, packageId as packageIdOf, readPackage } from '@kumiko/fabric-chaincode'
import {
  ApproveChaincodeDefinitionForMyOrgArgs,
  CheckCommitReadinessResult,
  DefinitionArgs,
  encodeUtf8,
  GetInstalledChaincodePackageResult,
  InstallChaincodeArgs,
  InstallChaincodeResult,
  type Message,
  NoArgs,
  PackageIdArgs,
  QueryApprovedChaincodeDefinitionArgs,
  QueryApprovedChaincodeDefinitionResult,
  QueryChaincodeDefinitionArgs,
  QueryChaincodeDefinitionResult,
  QueryChaincodeDefinitionsResult,
  QueryInstalledChaincodesResult,
} from '@kumiko/fabric-protocol'
import { isFault, KumikoError } from '@kumiko/interface'
import { readBinary, writeBinary } from '../fabric/binary-file.ts'
import type { FabricNetwork } from './network.ts'
import { type Submitted, submit } from './transaction.ts'

const NAME = '_lifecycle'

/** Makes a package of a folder. @returns Its id. @throws KumikoError `fabric-chaincode/bad-label`, `fabric-chaincode/no-code`, `node/unwritable-file`. */
export async function packageFolder(
  file: string,
  source: { readonly path: string; readonly lang: string; readonly label: string },
): Promise<string> {
  const { packageId, bytes } = await packageChaincode({ label: source.label, type: source.lang, path: source.path })
  await writeBinary(file, bytes)
  return packageId
}

/** The id of a package. @throws KumikoError `node/bad-package`; of the file, as `readBinary`. */
export async function packageIdOfFile(file: string): Promise<string> {
  const bytes = await readBinary(file)
  const read = await readPackage(bytes)
  if (isFault(read)) throw new KumikoError('node/bad-package', `${file} is no chaincode package: ${read.detail ?? read.fault}`)
  return packageIdOf(read.metadata.label, bytes)
}

/** Installs a package. @returns Its id. @throws KumikoError `node/refused` with the peer's words; of the file, as `readBinary`. */
export async function install(network: FabricNetwork, file: string): Promise<string> {
  const args = InstallChaincodeArgs.encode({ chaincodeInstallPackage: await readBinary(file) })
  return (await ask(network, '', 'InstallChaincode', args, InstallChaincodeResult, 'install')).packageId
}

/** What is installed. @throws KumikoError `node/refused`. */
export async function queryInstalled(network: FabricNetwork): Promise<QueryInstalledChaincodesResult> {
  return await ask(network, '', 'QueryInstalledChaincodes', NoArgs.encode({}), QueryInstalledChaincodesResult, 'query')
}

/** A package that is installed. @throws KumikoError `node/refused`. */
export async function getInstalledPackage(network: FabricNetwork, packageId: string): Promise<Uint8Array> {
  const args = PackageIdArgs.encode({ packageId })
  const result = await ask(network, '', 'GetInstalledChaincodePackage', args, GetInstalledChaincodePackageResult, 'query')
  return result.chaincodeInstallPackage
}

/** Approves a definition for the own organisation. @param packageId - What runs it; empty for nothing here. @throws As `submit`. */
export async function approve(
  network: FabricNetwork,
  channelId: string,
  definition: DefinitionArgs,
  { packageId, waitMs }: { readonly packageId: string; readonly waitMs: number | undefined },
): Promise<Submitted> {
  const source = packageId === '' ? { unavailable: {}, localPackage: undefined } : { unavailable: undefined, localPackage: { packageId } }
  const args = ApproveChaincodeDefinitionForMyOrgArgs.encode({ ...definition, source })
  return await submit(network, question(channelId, 'ApproveChaincodeDefinitionForMyOrg', args), { waitMs })
}

/** Commits a definition. @throws As `submit`. */
export async function commit(
  network: FabricNetwork,
  channelId: string,
  definition: DefinitionArgs,
  waitMs: number | undefined,
): Promise<Submitted> {
  return await submit(network, question(channelId, 'CommitChaincodeDefinition', DefinitionArgs.encode(definition)), { waitMs })
}

/** Which organisations approved a definition. @throws KumikoError `node/refused`. */
export async function checkReadiness(
  network: FabricNetwork,
  channelId: string,
  definition: DefinitionArgs,
): Promise<CheckCommitReadinessResult> {
  return await ask(network, channelId, 'CheckCommitReadiness', DefinitionArgs.encode(definition), CheckCommitReadinessResult, 'query')
}

/** What the own organisation approved. @param sequence - 0 for the newest. @throws KumikoError `node/refused`. */
export async function queryApproved(
  network: FabricNetwork,
  channelId: string,
  name: string,
  sequence: number,
): Promise<QueryApprovedChaincodeDefinitionResult> {
  const args = QueryApprovedChaincodeDefinitionArgs.encode({ name, sequence: BigInt(sequence) })
  return await ask(network, channelId, 'QueryApprovedChaincodeDefinition', args, QueryApprovedChaincodeDefinitionResult, 'query')
}

/** A definition of a channel. @throws KumikoError `node/refused`. */
export async function queryCommitted(network: FabricNetwork, channelId: string, name: string): Promise<QueryChaincodeDefinitionResult> {
  const args = QueryChaincodeDefinitionArgs.encode({ name })
  return await ask(network, channelId, 'QueryChaincodeDefinition', args, QueryChaincodeDefinitionResult, 'query')
}

/** All definitions of a channel. @throws KumikoError `node/refused`. */
export async function queryAllCommitted(network: FabricNetwork, channelId: string): Promise<QueryChaincodeDefinitionsResult> {
  return await ask(network, channelId, 'QueryChaincodeDefinitions', NoArgs.encode({}), QueryChaincodeDefinitionsResult, 'query')
}

async function ask<T extends object>(
  network: FabricNetwork,
  channelId: string,
  name: string,
  args: Uint8Array,
  type: Message<T>,
  what: string,
): Promise<T> {
  const { payload } = await network.query(question(channelId, name, args), what)
  const result = type.decode(payload)
  if (isFault(result)) throw new KumikoError('node/refused', `the peer's answer cannot be read: ${result.detail ?? result.fault}`)
  return result
}

function question(channelId: string, name: string, args: Uint8Array) {
  return { channelId, chaincode: NAME, args: [encodeUtf8(name), args] }
}
