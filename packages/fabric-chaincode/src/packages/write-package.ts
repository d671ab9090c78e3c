import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { compareUtf8 } from '@kumiko/fabric-protocol'
import { KumikoError } from '@kumiko/interface'
import { labelProblem, packageId } from './chaincode-package.ts'
import { indexFileProblem } from './state-indexes.ts'
import { type ArchivedFile, writeArchive } from './tar-archive.ts'

/** What a package is made of. */
export interface PackageSource {
  /** What to call it: letters and digits, then also `_.+-`. */
  readonly label: string
  /** `node`, `golang`, `java`, or what an external builder knows: `ccaas`. */
  readonly type: string
  /** A folder with the code; or {@link files}. For `node`, `golang` and `java` the code goes below `src/`, as Fabric's tool has it. */
  readonly path?: string
  /** The code by names relative to `code.tar.gz`, as they are. */
  readonly files?: ReadonlyMap<string, Uint8Array | string>
}

/** A package that was made. */
export interface WrittenPackage {
  /** `label:hash`. */
  readonly packageId: string
  /** The package as a file: a `.tar.gz`. */
  readonly bytes: Uint8Array
}

/** Types whose code Fabric's tool puts below `src/`. */
const SOURCE_TYPES: ReadonlySet<string> = new Set(['node', 'golang', 'java'])

/** Left out of packages. */
const SKIPPED: ReadonlySet<string> = new Set(['node_modules', '.git'])

/** Owners as Fabric's tool writes them. */
const [PACKAGE_OWNER, CODE_OWNER] = [
  { uid: 0, gid: 0 },
  { uid: 500, gid: 500 },
]

/**
 * Makes a package: the same bytes, and so the same id, for the same code on each machine.
 * @throws KumikoError `fabric-chaincode/bad-label`, `fabric-chaincode/no-code` where there are no files, `fabric-chaincode/bad-index`; what
 * reading the folder throws.
 * @see Fabric `internal/peer/lifecycle/chaincode/package.go`, `core/chaincode/platforms/util/writer.go`
 */
export async function packageChaincode({ label, type, path = '', files }: PackageSource): Promise<WrittenPackage> {
  const problem = labelProblem(label)
  if (problem !== undefined) throw new KumikoError('fabric-chaincode/bad-label', problem, { context: { label } })
  const code = files === undefined ? await folderFiles(path, SOURCE_TYPES.has(type.toLowerCase())) : givenFiles(files)
  if (code.length === 0) throw new KumikoError('fabric-chaincode/no-code', `no source files found in '${path}'`, { context: { path } })
  assertIndexes(code)
  const metadata = new TextEncoder().encode(JSON.stringify({ path, type, label }))
  const bytes = await writeArchive(
    [
      { name: 'metadata.json', content: metadata },
      { name: 'code.tar.gz', content: await writeArchive(code, CODE_OWNER) },
    ],
    PACKAGE_OWNER,
  )
  return { packageId: packageId(label, bytes), bytes }
}

function givenFiles(files: ReadonlyMap<string, Uint8Array | string>): readonly ArchivedFile[] {
  const sorted = [...files].sort(([a], [b]) => compareUtf8(a, b))
  return sorted.map(([name, content]) => ({ name, content: typeof content === 'string' ? new TextEncoder().encode(content) : content }))
}

async function folderFiles(folder: string, isSource: boolean): Promise<readonly ArchivedFile[]> {
  const files: ArchivedFile[] = []
  for (const name of await walk(folder, '')) {
    const isMetadata = name.startsWith('META-INF/')
    if (isMetadata && name.slice(name.lastIndexOf('/') + 1).startsWith('.')) continue
    const content = new Uint8Array(await readFile(join(folder, name)))
    files.push({ name: isMetadata || !isSource ? name : `src/${name}`, content })
  }
  return files
}

/** As deep and as wide as the folder is: it is the user's own. Links are followed for files alone. */
async function walk(folder: string, below: string): Promise<readonly string[]> {
  const found: string[] = []
  const entries = await readdir(join(folder, below), { withFileTypes: true })
  for (const entry of entries.sort((a, b) => compareUtf8(a.name, b.name))) {
    const name = below === '' ? entry.name : `${below}/${entry.name}`
    if (!entry.isDirectory()) found.push(name)
    else if (!SKIPPED.has(entry.name)) found.push(...(await walk(folder, name)))
  }
  return found
}

function assertIndexes(code: readonly ArchivedFile[]): void {
  for (const { name, content } of code) {
    if (!name.startsWith('META-INF/')) continue
    const problem = indexFileProblem(name, content)
    if (problem !== undefined) throw new KumikoError('fabric-chaincode/bad-index', problem, { context: { name } })
  }
}
