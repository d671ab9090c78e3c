import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './command.ts'

/** A package as it would be published. */
export interface Tarball {
  readonly name: string
  readonly path: string
  /** What can be imported: `@kumiko/interface`, `@kumiko/interface/testing`. */
  readonly specifiers: readonly string[]
}

interface Manifest {
  readonly name: string
  readonly exports: Readonly<Record<string, unknown>>
}

interface Packed {
  readonly name: string
  readonly filename: string
}

/** Packs the package in a folder. @throws Error where npm cannot. */
export async function pack(folder: string, destination: string): Promise<Tarball> {
  const { name, exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest
  const { isOk, stdout, text } = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', destination], folder)
  if (!isOk) throw new Error(text)
  return { name, path: join(destination, filenameOf(stdout)), specifiers: Object.keys(exports).map((path) => join(name, path)) }
}

/** npm 11 and before tell a list, later ones an object by name. */
function filenameOf(json: string): string {
  const [packed] = Object.values(JSON.parse(json) as Readonly<Record<string, Packed>>)
  if (packed === undefined) throw new Error('npm pack told of no file')
  return packed.filename.replace('@', '').replace('/', '-')
}
