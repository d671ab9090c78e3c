import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** From the bottom up. An import goes to the same layer or to one before it. */
const LAYERS: readonly (string | undefined)[] = ['contract', 'data', 'protocol', 'service', 'host', 'app']

/** A workspace package, as its package.json describes it. */
export interface Package {
  readonly name: string
  /** Relative to the root, with `/`. */
  readonly folder: string
  /** 0 for contract. */
  readonly layer: number
  readonly side: string
  readonly dependencies: ReadonlySet<string>
  readonly devDependencies: ReadonlySet<string>
  /** Files (or folders, ending in `/`) of a pure package that may use the machine: `kumiko.impure`. */
  readonly impure: readonly string[]
  /** Files of any other package that may not: `kumiko.pure`. */
  readonly pure: readonly string[]
}

interface Manifest {
  readonly name: string
  readonly dependencies?: Record<string, string>
  readonly optionalDependencies?: Record<string, string>
  readonly peerDependencies?: Record<string, string>
  readonly devDependencies?: Record<string, string>
  readonly nx?: { readonly tags?: readonly string[] }
  readonly kumiko?: { readonly impure?: readonly string[]; readonly pure?: readonly string[] }
}

/** All workspace packages below `root`. @throws Error where a package lacks its tags. */
export function readWorkspace(root: string): Package[] {
  const shared = Object.keys(readManifest(join(root, 'package.json')).devDependencies ?? {})
  const paths = globSync('{packages,apps,tools}/*/package.json', { cwd: root }).sort()
  return paths.map((path) => readPackage(readManifest(join(root, path)), dirname(path).replaceAll('\\', '/'), shared))
}

/** The layer's name, for people. */
export function layerName({ layer }: Package): string {
  return LAYERS[layer] ?? 'unknown'
}

/** Tells whether files of this package are pure unless they are listed. */
export function isPurePackage({ layer }: Package): boolean {
  return layer <= LAYERS.indexOf('data')
}

function readPackage(manifest: Manifest, folder: string, shared: readonly string[]): Package {
  const tag = (key: string): string | undefined => manifest.nx?.tags?.find((text) => text.startsWith(`${key}:`))?.slice(key.length + 1)
  const layer = LAYERS.indexOf(tag('layer'))
  const side = tag('side')
  if (layer < 0 || side === undefined) throw new Error(`${folder}/package.json: nx.tags must hold layer:${LAYERS.join('|')} and side:…`)
  return {
    name: manifest.name,
    folder,
    layer,
    side,
    dependencies: new Set(
      [manifest.dependencies, manifest.optionalDependencies, manifest.peerDependencies].flatMap((group) => Object.keys(group ?? {})),
    ),
    devDependencies: new Set([...Object.keys(manifest.devDependencies ?? {}), ...shared]),
    impure: manifest.kumiko?.impure ?? [],
    pure: manifest.kumiko?.pure ?? [],
  }
}

function readManifest(path: string): Manifest {
  return JSON.parse(readFileSync(path, 'utf8')) as Manifest
}
