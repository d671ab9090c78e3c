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

/** What a peer's `_lifecycle` does for its administrator. @throws All methods: KumikoError `node/refused` with the peer's words, and as `FabricNetwork.ask`. */
export class LifecycleClient {
  readonly #network: FabricNetwork

  constructor(network: FabricNetwork) {
    this.#network = network
  }

  /** Installs a package. @returns Its id. @throws Of the file, as `readBinary`. */
  async install(file: string): Promise<string> {
    const args = InstallChaincodeArgs.encode({ chaincodeInstallPackage: await readBinary(file) })
    return (await ask(this.#network, '', 'InstallChaincode', args, InstallChaincodeResult, 'install')).packageId
  }

  /** What is installed. */
  async queryInstalled(): Promise<QueryInstalledChaincodesResult> {
    return await ask(this.#network, '', 'QueryInstalledChaincodes', NoArgs.encode({}), QueryInstalledChaincodesResult, 'query')
  }

  /** A package that is installed. */
  async getInstalledPackage(packageId: string): Promise<Uint8Array> {
    const args = PackageIdArgs.encode({ packageId })
    const result = await ask(this.#network, '', 'GetInstalledChaincodePackage', args, GetInstalledChaincodePackageResult, 'query')
    return result.chaincodeInstallPackage
  }

  /** Approves a definition for the own organisation. @param options.packageId - What runs it; empty for nothing here. @throws As `submit`. */
  async approve(
    channelId: string,
    definition: DefinitionArgs,
    { packageId, waitMs }: { readonly packageId: string; readonly waitMs: number | undefined },
  ): Promise<Submitted> {
    const source = packageId === '' ? { unavailable: {}, localPackage: undefined } : { unavailable: undefined, localPackage: { packageId } }
    const args = ApproveChaincodeDefinitionForMyOrgArgs.encode({ ...definition, source })
    return await submit(this.#network, question(channelId, 'ApproveChaincodeDefinitionForMyOrg', args), { waitMs })
  }

  /** Commits a definition. @throws As `submit`. */
  async commit(channelId: string, definition: DefinitionArgs, waitMs: number | undefined): Promise<Submitted> {
    const args = DefinitionArgs.encode(definition)
    return await submit(this.#network, question(channelId, 'CommitChaincodeDefinition', args), { waitMs })
  }

  /** Which organisations approved a definition. */
  async checkReadiness(channelId: string, definition: DefinitionArgs): Promise<CheckCommitReadinessResult> {
    return await ask(
      this.#network,
      channelId,
      'CheckCommitReadiness',
      DefinitionArgs.encode(definition),
      CheckCommitReadinessResult,
      'query',
    )
  }

  /** What the own organisation approved. @param sequence - 0 for the newest. */
  async queryApproved(channelId: string, name: string, sequence: number): Promise<QueryApprovedChaincodeDefinitionResult> {
    const args = QueryApprovedChaincodeDefinitionArgs.encode({ name, sequence: BigInt(sequence) })
    return await ask(this.#network, channelId, 'QueryApprovedChaincodeDefinition', args, QueryApprovedChaincodeDefinitionResult, 'query')
  }

  /** A definition of a channel. */
  async queryCommitted(channelId: string, name: string): Promise<QueryChaincodeDefinitionResult> {
    const args = QueryChaincodeDefinitionArgs.encode({ name })
    return await ask(this.#network, channelId, 'QueryChaincodeDefinition', args, QueryChaincodeDefinitionResult, 'query')
  }

  /** All definitions of a channel. */
  async queryAllCommitted(channelId: string): Promise<QueryChaincodeDefinitionsResult> {
    return await ask(this.#network, channelId, 'QueryChaincodeDefinitions', NoArgs.encode({}), QueryChaincodeDefinitionsResult, 'query')
  }
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
