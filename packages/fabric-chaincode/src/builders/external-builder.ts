import { access, constants, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Clock, KumikoError, systemClock } from '@kumiko/interface'
import type { ComponentLogger } from '@libp2p/interface'
import { runBuilderProcess } from './builder-process.ts'
import type { BuildContext, PackageBuilder, PeerConnection } from './package-builder.ts'

/** A builder that is a folder with programs: an entry of Fabric's `chaincode.externalBuilders`. */
export interface ExternalBuilderOptions {
  readonly name: string
  /** Has `bin/detect`, `bin/build`, and where they are of use `bin/release` and `bin/run`. */
  readonly path: string
  /** Names of variables of our environment that its programs see, besides `LD_LIBRARY_PATH`, `LIBPATH`, `PATH` and `TMPDIR`. Default: none. */
  readonly propagateEnvironment?: readonly string[]
  /** Of the peer's organisation: told to what is run. */
  readonly mspId: string
  /** Default: this process's. */
  readonly environment?: Readonly<Record<string, string | undefined>>
  /** Default: the system's. */
  readonly clock?: Clock
  /** Its programs' standard error goes to `kumiko:fabric-chaincode:builder`. */
  readonly logger?: ComponentLogger
}

const ALWAYS_PROPAGATED = ['LD_LIBRARY_PATH', 'LIBPATH', 'PATH', 'TMPDIR']

/**
 * Builds and runs packages by programs of the peer's administrator. They are run with this peer's rights; of its environment they see what they
 * were promised.
 * @see Fabric `core/container/externalbuilder/externalbuilder.go` Builder
 */
export function externalBuilder(options: ExternalBuilderOptions): PackageBuilder {
  const { name, path, mspId, clock = systemClock } = options
  const environment = environmentOf(options)
  const log = options.logger?.forComponent('kumiko:fabric-chaincode:builder')
  const program = (step: string): string => join(path, 'bin', step)
  const run = (step: string, args: readonly string[], signal: AbortSignal): Promise<void> =>
    runBuilderProcess({ program: program(step), args, environment, clock, onLine: (line) => log?.('%s %s: %s', name, step, line) }, signal)

  return {
    name,
    detect: async ({ sourceFolder, metadataFolder }, signal) => {
      try {
        await run('detect', [sourceFolder, metadataFolder], signal)
        return true
      } catch (error) {
        if (signal.aborted) throw error
        return false
      }
    },
    build: async ({ sourceFolder, metadataFolder, outputFolder }: BuildContext, signal) =>
      await within(`external builder '${name}' failed`, () => run('build', [sourceFolder, metadataFolder, outputFolder], signal)),
    release: async ({ outputFolder, releaseFolder }, signal) => {
      if (!(await isProgram(program('release')))) return
      await within(`builder '${name}' release failed`, () => run('release', [outputFolder, releaseFolder], signal))
    },
    run: async (packageId, outputFolder, connection, signal) => {
      const folder = await mkdtemp(join(tmpdir(), 'fabric-run'))
      try {
        await writeFile(join(folder, 'chaincode.json'), runConfiguration(packageId, connection, mspId), { mode: 0o600 })
        await within(`builder '${name}' run failed`, () => run('run', [outputFolder, folder], signal))
      } finally {
        await rm(folder, { recursive: true, force: true })
      }
    },
  }
}

/** What a chaincode that is run is told. @see Fabric `core/container/externalbuilder/externalbuilder.go` runConfig */
function runConfiguration(packageId: string, { address, tls }: PeerConnection, mspId: string): string {
  const text = (pem: Uint8Array | undefined): string => new TextDecoder().decode(pem)
  return JSON.stringify({
    chaincode_id: packageId,
    peer_address: address,
    client_cert: text(tls?.client.certificate),
    client_key: text(tls?.client.privateKey),
    root_cert: text(tls?.root),
    mspid: mspId,
  })
}

function environmentOf({ propagateEnvironment = [], environment = process.env }: ExternalBuilderOptions): Readonly<Record<string, string>> {
  const seen: Record<string, string> = {}
  for (const name of [...propagateEnvironment, ...ALWAYS_PROPAGATED]) {
    const value = environment[name]
    if (value !== undefined) seen[name] = value
  }
  return seen
}

async function isProgram(path: string): Promise<boolean> {
  return await access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}

async function within(what: string, run: () => Promise<void>): Promise<void> {
  try {
    await run()
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    const context = error instanceof KumikoError ? error.context : {}
    throw new KumikoError('fabric-chaincode/builder-failed', `${what}: ${why}`, { cause: error, context })
  }
}
