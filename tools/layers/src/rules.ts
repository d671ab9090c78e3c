import { isBuiltin } from 'node:module'
import { posix } from 'node:path'
import type { Use } from './uses.ts'
import { isPurePackage, layerName, type Package } from './workspace.ts'

/** A file of a package. */
export interface SourceFile {
  readonly owner: Package
  /** Relative to the package: `src/key.ts`. */
  readonly path: string
}

/** Tests and benchmarks are not shipped: they may use dev dependencies, of any layer. */
function isDevelopment({ path }: SourceFile): boolean {
  return /\.(test|fuzz|bench)\.ts$/.test(path) || path.startsWith('test/')
}

/** @returns The rule that a use breaks, or undefined. */
export function brokenRule(file: SourceFile, use: Use, packages: ReadonlyMap<string, Package>): string | undefined {
  if (isPure(file) && (use.kind === 'global' || isBuiltin(use.what))) {
    return `a pure file uses no node:*, time, timers, randomness or process (or is listed in kumiko.impure of ${file.owner.folder}/package.json)`
  }
  if (use.kind === 'global' || isBuiltin(use.what)) return undefined
  if (use.what === '(computed)') return 'an import names its module'
  return use.what.startsWith('.') ? brokenRelative(file, use.what) : brokenPackage(file, use.what, packages)
}

/** Tells whether a list of files and folders holds a file. */
function isListed(list: readonly string[], path: string): boolean {
  return list.some((entry) => (entry.endsWith('/') ? path.startsWith(entry) : path === entry))
}

function isPure(file: SourceFile): boolean {
  const { owner, path } = file
  return !isDevelopment(file) && (isPurePackage(owner) ? !isListed(owner.impure, path) : isListed(owner.pure, path))
}

function brokenRelative({ path }: SourceFile, specifier: string): string | undefined {
  const target = posix.join(posix.dirname(path), specifier)
  if (target.startsWith('..')) return 'a relative import stays in its package'
  return target === 'src/index.ts' ? 'a file does not import its own barrel' : undefined
}

function brokenPackage(file: SourceFile, specifier: string, packages: ReadonlyMap<string, Package>): string | undefined {
  const { owner } = file
  const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
  if (name === owner.name) return isDevelopment(file) ? undefined : 'a file does not import its own barrel'
  const isDeclared = owner.dependencies.has(name) || (isDevelopment(file) && owner.devDependencies.has(name))
  if (!isDeclared) return `what is imported is declared in ${owner.folder}/package.json`
  const target = packages.get(name)
  return target === undefined || isDevelopment(file) ? undefined : brokenLayer(owner, target)
}

function brokenLayer(owner: Package, target: Package): string | undefined {
  if (owner.side === 'app') return undefined
  if (target.layer > owner.layer) return `layer:${layerName(owner)} does not import layer:${layerName(target)}, which is above`
  const isReachable = target.side === owner.side || target.side === 'shared'
  return isReachable ? undefined : `side:${owner.side} does not import side:${target.side}`
}
