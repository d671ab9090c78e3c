import { readFileSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { ContractClass } from '@kumiko/fabric-devnet'
import { KumikoError } from '@kumiko/interface'
import { loadModules } from './contract-modules.ts'

/** Where a contract's code is. */
export interface ContractFile {
  /** The module that is loaded. Absolute. */
  readonly module: string
  /** What is watched: a change in it is one of the contract. Absolute. */
  readonly folder: string
}

/**
 * Finds a contract's module.
 * @param path - Of a module; or of a project, whose `package.json` names it.
 * @throws KumikoError `node/no-contract`.
 */
export function contractFile(path: string): ContractFile {
  const absolute = resolve(path)
  const stats = statSync(absolute, { throwIfNoEntry: false })
  if (stats === undefined) throw noContract(path, 'there is no such file or folder')
  if (!stats.isDirectory()) return { module: absolute, folder: dirname(absolute) }
  const module = join(absolute, mainOf(absolute))
  if (statSync(module, { throwIfNoEntry: false }) === undefined) throw noContract(path, `${module} is not there: build the project first`)
  return { module, folder: dirname(module) }
}

/**
 * Loads a contract's classes: what its module exports as `contracts`, as `fabric-chaincode-node` has it, or else every class that it exports and that
 * extends `Contract`.
 * @throws KumikoError `node/no-contract`, whose cause is what the module threw.
 */
export async function loadContracts({ module }: ContractFile): Promise<readonly ContractClass[]> {
  const exported = await loadModules(module).catch((cause: unknown) => {
    throw noContract(module, reasonOf(cause, module), cause)
  })
  const all = [exported, ...(isObject(exported.default) ? [exported.default] : [])]
  const listed = all.map((each) => each.contracts).find((contracts) => Array.isArray(contracts))
  const candidates: readonly unknown[] = listed ?? all.flatMap((each) => Object.values(each))
  const classes = [...new Set(candidates.filter(isContractClass))]
  if (classes.length === 0)
    throw noContract(module, 'it exports neither `contracts` nor a class that extends Contract of fabric-contract-api')
  return classes
}

/** In one line, with the mend where it is known. */
function reasonOf(cause: unknown, path: string): string {
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return 'the file is gone'
  const message = cause instanceof Error ? cause.message : String(cause)
  if (message.includes('can not process pure Object types'))
    return `${message}: decorators are told of types that are imported as values alone, so write import { Context }, not import { type Context }`
  return message
}

function mainOf(folder: string): string {
  try {
    const described: unknown = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    const main = isObject(described) ? described.main : undefined
    return typeof main === 'string' ? main : 'index.js'
  } catch (cause) {
    throw noContract(folder, 'a folder needs a package.json that names its main module', cause)
  }
}

/** By name: a contract's project may have a package of its own. */
function isContractClass(value: unknown): value is ContractClass {
  for (let each = value; typeof each === 'function'; each = Object.getPrototypeOf(each)) {
    const parent: unknown = Object.getPrototypeOf(each)
    if (typeof parent === 'function' && parent.name === 'Contract' && '_isContract' in parent) return true
  }
  return false
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

function noContract(path: string, why: string, cause?: unknown): KumikoError {
  return new KumikoError('node/no-contract', `cannot load a contract from ${path}: ${why}`, { context: { path }, cause })
}
