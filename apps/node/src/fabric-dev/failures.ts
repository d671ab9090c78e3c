import { fileURLToPath } from 'node:url'
import type { ContractFailure } from '@kumiko/fabric-devnet'
import { BoundedMap } from '@kumiko/interface'
import { contractFile } from './contract-file.ts'
import type { NamedSource } from './options.ts'
import type { FabricDevView } from './view.ts'

/** Transactions whose failure was shown: a later one of the same id is another peer's. */
const KNOWN_MAX = 100

const FRAMES_MAX = 10

/** Shows what contracts fail of: once, however many peers were asked. */
export class Failures {
  readonly #view: FabricDevView
  /** By a contract's name: where its project is. */
  readonly #folders: ReadonlyMap<string, string>
  readonly #known = new BoundedMap<string, true>(KNOWN_MAX)

  constructor(contracts: readonly NamedSource[], view: FabricDevView) {
    this.#view = view
    const files = contracts.flatMap(({ name, source }) =>
      source.kind === 'file' ? [[name, contractFile(source.path).folder] as const] : [],
    )
    this.#folders = new Map(files)
  }

  /** Shows a failure that was not shown yet. */
  tell(failure: ContractFailure): void {
    const { contract, txId, message, error } = failure
    const key = JSON.stringify([txId, message])
    if (this.#known.has(key)) return
    this.#known.set(key, true)
    this.#view.failure(failure, ownFrames(error, this.#folders.get(contract)))
  }
}

/** The frames of an error that are in a folder, and in no package: `Assets.transfer (/home/me/assets.ts:12:5)`. */
function ownFrames(error: unknown, folder: string | undefined): readonly string[] {
  if (!(error instanceof Error) || folder === undefined) return []
  const frames = (error.stack ?? '').split('\n').flatMap((line) => /^ +at (.*)$/.exec(line)?.[1] ?? [])
  const paths = frames.map((frame) => frame.replaceAll(/file:\/\/[^\s()]+?(?=:\d+:\d+\)?$)/g, (url) => fileURLToPath(url)))
  return paths.filter((frame) => frame.includes(folder) && !frame.includes('node_modules')).slice(0, FRAMES_MAX)
}
