import { lstat, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { compareUtf8 } from '@kumiko/fabric-protocol'
import { type Clock, isFault, KumikoError, systemClock } from '@kumiko/interface'
import { type ChaincodeServer, readConnectionFile } from '../connectors/connection-file.ts'
import { type ChaincodePackage, parseJson, readCode } from '../packages/chaincode-package.ts'
import { type StateIndex, stateIndexes } from '../packages/state-indexes.ts'
import type { ArchivedFile } from '../packages/tar-archive.ts'
import type { BuildContext, PackageBuilder, PeerConnection } from './package-builder.ts'

/** Where builds are, and who makes them. */
export interface ChaincodeBuildsOptions {
  /** For builds alone: Fabric's is `externalbuilder/builds` in the peer's folder. */
  readonly folder: string
  /** Asked in this order. */
  readonly builders: readonly PackageBuilder[]
  /** How long all steps of a build may take together. Default 5 min, as Fabric's `chaincode.installTimeout`. */
  readonly buildTimeoutMs?: number
  /** Default: the system's. */
  readonly clock?: Clock
}

/** Builds that are being made; a crash leaves them. */
const PARTIAL_PREFIX = '.building-'

/** Files of an index, and of a connection, are small: more are passed over. */
const [RELEASED_FILES_MAX, RELEASED_BYTES_MAX] = [1000, 1_048_576]

/**
 * What builders made of packages, kept on a disk: a build is there whole or not at all, and is made once. Bounded by what is installed.
 * @see Fabric `core/container/externalbuilder/externalbuilder.go` Detector
 */
export class ChaincodeBuilds {
  readonly #options: ChaincodeBuildsOptions
  /** By package id: those that are being made. Bounded by what is installed at a time. */
  readonly #building = new Map<string, Promise<void>>()
  /** Builds and runs that have not ended. Bounded by what is installed, and what is run of it. */
  readonly #at = new Set<Promise<unknown>>()
  readonly #stopped = new AbortController()
  #begun = 0

  private constructor(options: ChaincodeBuildsOptions) {
    this.#options = options
  }

  /** Opens the folder, or makes it, and removes what a crash left. */
  static async open(options: ChaincodeBuildsOptions): Promise<ChaincodeBuilds> {
    const { folder } = options
    await mkdir(folder, { recursive: true, mode: 0o700 })
    for (const name of await readdir(folder)) {
      if (name.startsWith(PARTIAL_PREFIX)) await rm(join(folder, name), { recursive: true, force: true })
    }
    return new ChaincodeBuilds(options)
  }

  /** Whether a package was built, by a builder that is there still. */
  async has(packageId: string): Promise<boolean> {
    return (await this.#builderOf(packageId).catch(() => undefined)) !== undefined
  }

  /**
   * Builds a package by the first builder that knows it; what was built before stays.
   * @throws KumikoError `fabric-chaincode/no-builder` where none does, `fabric-chaincode/builder-failed`, `fabric-chaincode/bad-package`; with
   * Fabric's words where it has some. Nothing is left then.
   */
  async build(packageId: string, package_: ChaincodePackage): Promise<void> {
    const before = this.#building.get(packageId)
    if (before !== undefined) return await before
    const building = this.#tracked(this.#build(packageId, package_))
    this.#building.set(packageId, building)
    try {
      await building
    } finally {
      this.#building.delete(packageId)
    }
  }

  /**
   * Where a built chaincode serves; undefined where it is none that does: then it is run.
   * @throws KumikoError `fabric-chaincode/bad-connection` where what was released does not say.
   */
  async server(packageId: string): Promise<ChaincodeServer | undefined> {
    const released = await readRegular(join(this.#pathOf(packageId), 'release', 'chaincode', 'server', 'connection.json'))
    return released && readConnectionFile(new TextDecoder().decode(released))
  }

  /** The indexes for rich queries that a builder released. */
  async indexes(packageId: string): Promise<readonly StateIndex[]> {
    const files: ArchivedFile[] = []
    await collect(join(this.#pathOf(packageId), 'release', 'statedb'), 'META-INF/statedb', files)
    return stateIndexes(files)
  }

  /** Removes what was built of a package. */
  async remove(packageId: string): Promise<void> {
    await rm(this.#pathOf(packageId), { recursive: true, force: true })
  }

  /**
   * Runs a built chaincode until it ends.
   * @param signal - Ends it; so does {@link stop}.
   * @throws KumikoError `fabric-chaincode/no-builder` where nobody runs it, `fabric-chaincode/builder-failed`.
   */
  async run(packageId: string, connection: PeerConnection, signal: AbortSignal): Promise<void> {
    const builder = await this.#builderOf(packageId)
    if (builder?.run === undefined) throw noBuilder(`chaincode '${packageId}' was not built to be run by this peer`)
    const outputFolder = join(this.#pathOf(packageId), 'bld')
    await this.#tracked(builder.run(packageId, outputFolder, connection, AbortSignal.any([signal, this.#stopped.signal])))
  }

  /** Ends what is built and what is run, for good. Returns when all of it is gone, some seconds later at most. */
  async stop(): Promise<void> {
    this.#stopped.abort(new Error('the peer stops'))
    await Promise.allSettled(this.#at)
  }

  async #tracked<T>(work: Promise<T>): Promise<T> {
    this.#at.add(work)
    try {
      return await work
    } finally {
      this.#at.delete(work)
    }
  }

  async #build(packageId: string, package_: ChaincodePackage): Promise<void> {
    if ((await within('existing build could not be restored', () => this.#builderOf(packageId))) !== undefined) return
    const { folder, clock = systemClock, buildTimeoutMs = 300_000 } = this.#options
    const partial = join(folder, `${PARTIAL_PREFIX}${this.#begun++}`)
    const late = new AbortController()
    const cancel = clock.at(clock.now() + buildTimeoutMs, () => late.abort(new Error('timeout expired while building chaincode')))
    try {
      const signal = AbortSignal.any([late.signal, this.#stopped.signal])
      const context = await within('could not create build context', () => buildContext(packageId, package_, partial))
      const builder = await this.#made(context, signal)
      await rm(join(partial, 'src'), { recursive: true })
      await rm(join(partial, 'metadata'), { recursive: true })
      await writeFile(join(partial, 'build-info.json'), JSON.stringify({ builder_name: builder.name }), { mode: 0o600 })
      // What cannot be read, a loss of power left.
      await this.remove(packageId)
      await rename(partial, this.#pathOf(packageId))
    } finally {
      cancel()
      await rm(partial, { recursive: true, force: true })
    }
  }

  async #made(context: BuildContext, signal: AbortSignal): Promise<PackageBuilder> {
    for (const builder of this.#options.builders) {
      if (!(await builder.detect(context, signal))) continue
      await within('external builder failed to build', () => builder.build(context, signal))
      await within('external builder failed to release', () => builder.release(context, signal))
      return builder
    }
    throw noBuilder(
      `no builder knows what to do with '${context.packageId}': give the peer an external builder for its type, or pack it as ccaas`,
    )
  }

  async #builderOf(packageId: string): Promise<PackageBuilder | undefined> {
    const source = await readRegular(join(this.#pathOf(packageId), 'build-info.json'))
    if (source === undefined) return
    const name = parseJson(source)?.get('builder_name')
    if (typeof name !== 'string') return
    const builder = this.#options.builders.find((each) => each.name === name)
    if (builder !== undefined) return builder
    throw noBuilder(`chaincode '${packageId}' was already built with builder '${name}', but that builder is no longer available`)
  }

  #pathOf(packageId: string): string {
    return join(this.#options.folder, packageId.replaceAll(/[<>:"/\\|?*&]/g, '-'))
  }
}

async function buildContext(packageId: string, { metadataBytes, code }: ChaincodePackage, folder: string): Promise<BuildContext> {
  const files = await readCode(code)
  if (isFault(files)) throw new KumikoError(files.fault, `could not untar source package: ${files.detail ?? ''}`)
  const context = {
    packageId,
    sourceFolder: join(folder, 'src'),
    metadataFolder: join(folder, 'metadata'),
    outputFolder: join(folder, 'bld'),
    releaseFolder: join(folder, 'release'),
  }
  const { sourceFolder, metadataFolder, outputFolder, releaseFolder } = context
  for (const made of [sourceFolder, metadataFolder, outputFolder, releaseFolder]) await mkdir(made, { recursive: true, mode: 0o700 })
  for (const { name, content, isExecutable } of files) {
    const path = join(sourceFolder, name)
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await writeFile(path, content, { mode: isExecutable ? 0o700 : 0o600, flag: 'wx' })
  }
  await writeFile(join(metadataFolder, 'metadata.json'), metadataBytes, { mode: 0o700 })
  return context
}

/** @returns Undefined where there is no such file, or a link in place of one: what is built does not say what else is read. */
async function readRegular(path: string): Promise<Uint8Array | undefined> {
  const found = await lstat(path).catch(() => undefined)
  if (found === undefined || !found.isFile() || found.size > RELEASED_BYTES_MAX) return
  return new Uint8Array(await readFile(path))
}

async function collect(folder: string, name: string, files: ArchivedFile[]): Promise<void> {
  const found = await lstat(folder).catch(() => undefined)
  if (found?.isDirectory() !== true) return
  for (const entry of (await readdir(folder, { withFileTypes: true })).sort((a, b) => compareUtf8(a.name, b.name))) {
    if (files.length >= RELEASED_FILES_MAX) return
    const path = join(folder, entry.name)
    if (entry.isDirectory()) await collect(path, `${name}/${entry.name}`, files)
    const content = entry.isFile() ? await readRegular(path) : undefined
    if (content !== undefined) files.push({ name: `${name}/${entry.name}`, content })
  }
}

/** Runs a step of a build, and tells of which it was when it fails. @see Fabric `core/container/container.go` Build */
async function within<T>(step: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    const { code, context } = error instanceof KumikoError ? error : { code: 'fabric-chaincode/builder-failed', context: {} }
    const why = error instanceof Error ? error.message : String(error)
    throw new KumikoError(code, `external builder failed: ${step}: ${why}`, { cause: error, context })
  }
}

function noBuilder(message: string): KumikoError {
  return new KumikoError('fabric-chaincode/no-builder', message)
}
