import type { ChaincodeTerms, CollectionDefinition } from '@kumiko/fabric-devnet'
import { UsageError } from '../failure.ts'

/** A contract, as the command line names it. */
export interface NamedSource {
  readonly name: string
  readonly source: ContractSource
  readonly terms: ChaincodeTerms
}

/** Where a contract is run. */
export type ContractSource =
  /** In this process, from a module. */
  | { readonly kind: 'file'; readonly path: string }
  /** As a service at `host:port`. */
  | { readonly kind: 'service'; readonly address: string }
  /** Wherever it dials in from. */
  | { readonly kind: 'dial' }

/** Flags that say something of a contract: `name=value`. */
export interface ContractFlags {
  readonly contract?: readonly string[]
  readonly policy?: readonly string[]
  readonly collections?: readonly string[]
  readonly initRequired?: readonly string[]
}

/**
 * Reads the flags about contracts.
 * @param readJson - Reads a file that `--collections` names.
 * @throws UsageError
 */
export async function readContractFlags(
  flags: ContractFlags,
  readJson: (path: string) => Promise<unknown>,
): Promise<readonly NamedSource[]> {
  const policies = pairs('--policy', flags.policy)
  const collections = pairs('--collections', flags.collections)
  const sources = pairs('--contract', flags.contract)
  const initRequired = new Set(flags.initRequired)
  for (const name of [...policies.keys(), ...collections.keys(), ...initRequired])
    if (!sources.has(name)) throw new UsageError(`${name} is no contract: name it by --contract ${name}=<path>`)
  const read = [...sources].map(async ([name, source]): Promise<NamedSource> => {
    const policy = policies.get(name)
    const file = collections.get(name)
    const defined = file === undefined ? undefined : collectionsIn(file, await readJson(file))
    const terms = {
      ...(policy !== undefined && { policy }),
      ...(defined && { collections: defined }),
      initRequired: initRequired.has(name),
    }
    return { name, source: sourceOf(source), terms }
  })
  return await Promise.all(read)
}

function sourceOf(text: string): ContractSource {
  if (text === 'dial') return { kind: 'dial' }
  return /^[\w.-]+:\d{1,5}$/.test(text) || /^\[[\da-f:]+\]:\d{1,5}$/i.test(text)
    ? { kind: 'service', address: text }
    : { kind: 'file', path: text }
}

function pairs(flag: string, texts: readonly string[] = []): ReadonlyMap<string, string> {
  const read = new Map<string, string>()
  for (const text of texts) {
    const at = text.indexOf('=')
    if (at < 1 || at === text.length - 1) throw new UsageError(`${flag} ${text}: want name=value, such as assets=./assets.ts`)
    const name = text.slice(0, at)
    if (read.has(name)) throw new UsageError(`${flag} is given twice for ${name}`)
    read.set(name, text.slice(at + 1))
  }
  return read
}

/** What a `collections_config.json` holds. Whether it makes sense, the peers say. */
function collectionsIn(path: string, value: unknown): readonly CollectionDefinition[] {
  if (Array.isArray(value) && value.every(isCollection)) return value
  throw new UsageError(`--collections ${path}: want a list of collections, each with a name and a policy`)
}

function isCollection(value: unknown): value is CollectionDefinition {
  return typeof value === 'object' && value !== null && 'name' in value && 'policy' in value && typeof value.policy === 'string'
}
