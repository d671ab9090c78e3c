import { readFileSync } from 'node:fs'
import module, { createRequire } from 'node:module'
import { dirname, sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { KumikoError } from '@kumiko/interface'
import { type HelperMode, transformSync } from 'oxc-transform'

/** Marks the modules of a contract, and which loading of it they are of. */
const MARK = 'kumiko-contract'

/** Marks a CommonJS module that a contract imports as if it were none. */
const COMMONJS = 'kumiko-commonjs'

/** What a contract may import though its project has not installed it: then ours is taken. */
const OURS = ['fabric-contract-api', 'fabric-shim', 'fabric-shim-api', 'reflect-metadata']

const require = createRequire(import.meta.url)

let loadings = 0
let isHooked = false

/**
 * Loads a module and all modules of its project that it imports, anew each time; packages are loaded once. TypeScript may have decorators, as
 * contracts do, and leave out extensions.
 * @param path - Absolute.
 * @throws What the module throws, and SyntaxError.
 */
export async function loadModules(path: string): Promise<Readonly<Record<string, unknown>>> {
  hook()
  forget(dirname(path))
  const url = pathToFileURL(path)
  url.searchParams.set(MARK, String(++loadings))
  const loaded: Readonly<Record<string, unknown>> = await import(url.href)
  return loaded
}

/** CommonJS modules are kept by their files: those of a project are let go. */
function forget(folder: string): void {
  for (const file of Object.keys(require.cache)) if (file.startsWith(folder + sep) && !isPackage(file)) delete require.cache[file]
}

function hook(): void {
  if (isHooked) return
  if (typeof module.registerHooks !== 'function')
    throw new KumikoError('node/old-node', `contracts from files need Node 22.15 or later, and this is ${process.version}: use a later one`)
  isHooked = true
  // Stacks tell of the lines that were written, not of those that are run.
  process.setSourceMapsEnabled(true)
  Object.assign(globalThis, { babelHelpers: DECORATOR_HELPERS })
  module.registerHooks({
    resolve: (specifier, context, next) => {
      const loading = markOf(context.parentURL)
      if (loading === undefined) return next(specifier, context)
      const found = firstOf([specifier, ...alternatives(specifier)], (each) => next(each, context), specifier)
      if (!found.url.startsWith('file:')) return found
      const url = new URL(found.url)
      if (!isPackage(fileURLToPath(url))) url.searchParams.set(MARK, loading)
      else if (isCommonJs(fileURLToPath(url))) url.searchParams.set(COMMONJS, '')
      return { ...found, url: url.href }
    },
    load: (url, context, next) => {
      if (url.startsWith('file:') && new URL(url).searchParams.has(COMMONJS))
        return { format: 'module', source: wrapperOf(fileURLToPath(url)), shortCircuit: true }
      if (markOf(url) === undefined || !/\.[cm]?tsx?$/.test(new URL(url).pathname)) return next(url, context)
      return { format: 'module', source: scriptOf(fileURLToPath(url)), shortCircuit: true }
    },
  })
}

/** A CommonJS module with all that it exports by name: Node finds by reading what is written out, and that is not all. */
function wrapperOf(path: string): string {
  const exported: unknown = require(path)
  const names = typeof exported === 'object' || typeof exported === 'function' ? Object.keys(exported ?? {}) : []
  const named = names.filter((name) => /^[A-Za-z_$][\w$]*$/.test(name) && name !== 'default')
  const lines = named.map((name, at) => `const v${at} = all[${JSON.stringify(name)}]; export { v${at} as ${name} }`)
  const load = `createRequire(${JSON.stringify(path)})(${JSON.stringify(path)})`
  return [`import { createRequire } from 'node:module'`, `const all = ${load}`, 'export default all', ...lines, ''].join('\n')
}

/** TypeScript as JavaScript, with its map. */
function scriptOf(path: string): string {
  const source = readFileSync(path, 'utf8')
  const { code, errors, map } = transformSync(path, source, {
    lang: 'ts',
    sourcemap: true,
    // A const enum of another package, which has no value here.
    helpers: { mode: 'External' as HelperMode },
    decorator: { legacy: true, emitDecoratorMetadata: true },
  })
  const [error] = errors
  if (error !== undefined) throw new SyntaxError(`${path}${placeOf(source, error.labels[0]?.start)}: ${error.message}`)
  const encoded = map === undefined ? '' : Buffer.from(JSON.stringify(map)).toString('base64')
  return `${code}\n//# sourceMappingURL=data:application/json;base64,${encoded}\n`
}

/** Line and column, from 1, as editors jump to them. */
function placeOf(source: string, at: number | undefined): string {
  if (at === undefined) return ''
  const before = source.slice(0, at).split('\n')
  return `:${before.length}:${(before.at(-1)?.length ?? 0) + 1}`
}

/** What TypeScript leaves out of a path, or says instead of what is there; and packages of ours. */
function alternatives(specifier: string): readonly string[] {
  const name = OURS.find((each) => specifier === each || specifier.startsWith(`${each}/`))
  if (name !== undefined) return [pathToFileURL(require.resolve(specifier)).href]
  if (!specifier.startsWith('.')) return []
  const typed = specifier.replace(/\.([cm]?)js$/, '.$1ts')
  return [...(typed === specifier ? [] : [typed]), `${specifier}.ts`, `${specifier}.js`, `${specifier}/index.ts`, `${specifier}/index.js`]
}

/** The first that is there. @throws Where none is: what was said of the original. */
function firstOf<T>(specifiers: readonly string[], resolve: (specifier: string) => T, original: string): T {
  for (const specifier of specifiers) {
    try {
      return resolve(specifier)
    } catch {
      // The next one may be there.
    }
  }
  return resolve(original)
}

function markOf(url: string | undefined): string | undefined {
  return url?.startsWith('file:') ? (new URL(url).searchParams.get(MARK) ?? undefined) : undefined
}

function isPackage(path: string): boolean {
  return path.includes(`${sep}node_modules${sep}`)
}

/** Whether a package's file is CommonJS, as Node goes by. */
function isCommonJs(path: string): boolean {
  if (!path.endsWith('.js')) return path.endsWith('.cjs')
  const described = module.findPackageJSON('.', path)
  if (described === undefined) return true
  const json: unknown = JSON.parse(readFileSync(described, 'utf8'))
  return typeof json !== 'object' || json === null || !('type' in json) || json.type !== 'module'
}

type Decorate = (target: unknown, key?: string, descriptor?: PropertyDescriptor | null) => unknown

/** What transformed decorators call. */
const DECORATOR_HELPERS = {
  decorate: (decorators: readonly Decorate[], target: object, key?: string, descriptor?: PropertyDescriptor | null): unknown => {
    let result: unknown = descriptor === null && key !== undefined ? Object.getOwnPropertyDescriptor(target, key) : (descriptor ?? target)
    for (const decorator of decorators.toReversed()) {
      const changed = key === undefined ? decorator(result) : decorator(target, key, asDescriptor(result))
      result = changed ?? result
    }
    if (key !== undefined && typeof result === 'object' && result !== null && result !== target) Object.defineProperty(target, key, result)
    return result
  },
  decorateParam: (index: number, decorator: (target: unknown, key: string | undefined, index: number) => void): Decorate => {
    return (target, key) => decorator(target, key, index)
  },
  decorateMetadata: (key: string, value: unknown): Decorate => {
    const metadata: unknown = Reflect.get(Reflect, 'metadata')
    return typeof metadata === 'function' ? metadata(key, value) : () => undefined
  },
}

function asDescriptor(value: unknown): PropertyDescriptor | null {
  return typeof value === 'object' && value !== null ? value : null
}
