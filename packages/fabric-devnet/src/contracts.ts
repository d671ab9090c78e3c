import { createHash } from 'node:crypto'
import {
  type ChaincodeCode,
  type ChaincodeConnector,
  chaincodeServices,
  type InProcessChaincode,
  inProcessChaincode,
  type TransactionObserver,
} from '@kumiko/fabric-chaincode'
import { KumikoError } from '@kumiko/interface'
import type { NamedContract } from './options.ts'

interface Running {
  readonly contract: NamedContract
  readonly packageId: string
  code: ChaincodeCode | undefined
  /** One for each peer that ran it: as many as there are peers. */
  readonly instances: InProcessChaincode[]
}

/** The contracts of a network, and what runs them. Each peer has instances of its own. Bounded by who deploys. */
export class Contracts {
  /** By name. */
  readonly #contracts = new Map<string, Running>()
  readonly #observer: (name: string) => TransactionObserver

  /** @param observer - Is told of the transactions of a contract that runs in this process. */
  constructor(observer: (name: string) => TransactionObserver) {
    this.#observer = observer
  }

  /** Adds a contract, or changes that of the same name: its code too. @throws KumikoError `fabric-chaincode/bad-contract`. */
  add(contract: NamedContract): void {
    const { name, runs } = contract
    const code = 'code' in runs ? runs.code : undefined
    const packageId = packageIdOf(contract)
    const before = this.#contracts.get(name)
    const instances = before?.packageId === packageId ? before.instances : []
    if (code !== undefined) for (const instance of instances) instance.replace(code)
    this.#contracts.set(name, { contract, packageId, code, instances })
  }

  /** The same contracts, with the code that they have now, for another network. @param observer - That one's. */
  copy(observer: (name: string) => TransactionObserver): Contracts {
    const copy = new Contracts(observer)
    for (const { contract, code } of this.#contracts.values()) copy.add(code === undefined ? contract : { ...contract, runs: { code } })
    return copy
  }

  /** The contracts, in the order in which they came. */
  get all(): readonly NamedContract[] {
    return [...this.#contracts.values()].map(({ contract }) => contract)
  }

  /** Under which id a contract runs. */
  packageId(name: string): string | undefined {
    return this.#contracts.get(name)?.packageId
  }

  /**
   * Runs other code from the next transaction on, at all peers.
   * @throws KumikoError `fabric-devnet/no-contract`, `fabric-chaincode/bad-contract`: the code before goes on then.
   */
  reload(name: string, code: ChaincodeCode): void {
    const running = this.#contracts.get(name)
    if (running?.code === undefined) throw noContract(name)
    for (const instance of running.instances) instance.replace(code)
    running.code = code
  }

  /** The ways of one peer to have contracts running. @param mspId - The peer's organisation. */
  connectors(mspId: string): readonly ChaincodeConnector[] {
    const serverOf = async (packageId: string) => {
      const runs = this.#find(packageId)?.contract.runs
      return runs !== undefined && 'address' in runs ? { endpoint: { address: runs.address } } : undefined
    }
    return [this.#inProcess(mspId), chaincodeServices(serverOf)]
  }

  #inProcess(mspId: string): ChaincodeConnector {
    const instances = new Map<string, InProcessChaincode>()
    const instanceOf = (packageId: string): InProcessChaincode => {
      const known = instances.get(packageId)
      if (known !== undefined) return known
      const running = this.#find(packageId)
      if (running?.code === undefined) throw noContract(packageId)
      const { name, terms } = running.contract
      const described = { title: name, version: terms.version ?? '1.0' }
      const made = inProcessChaincode({ ...running.code, ...described, packageId, mspId, observer: this.#observer(name) })
      instances.set(packageId, made)
      running.instances.push(made)
      return made
    }
    return {
      runs: (packageId) => instances.has(packageId) || this.#find(packageId)?.code !== undefined,
      launch: (packageId, streams, signal) => instanceOf(packageId).launch(packageId, streams, signal),
    }
  }

  #find(packageId: string): Running | undefined {
    return [...this.#contracts.values()].find((running) => running.packageId === packageId)
  }
}

/** Under which id a contract runs: as of a package; elsewhere it says so itself. */
export function packageIdOf({ name, terms, runs }: NamedContract): string {
  const version = terms.version ?? '1.0'
  if (!('code' in runs)) return `${name}:${version}`
  return `${name}_${version}:${createHash('sha256')
    .update(JSON.stringify([name, version]))
    .digest('hex')}`
}

function noContract(name: string): KumikoError {
  const message = `there is no contract ${name} that runs in this process`
  return new KumikoError('fabric-devnet/no-contract', message, { context: { name } })
}
