import { sha256, toHex } from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'
import { ARCHIVE_LIMITS, type ArchivedFile, type ArchiveEntry, type ArchiveLimits, gzipProblem, readArchive } from './tar-archive.ts'

/** What a package says of itself: its `metadata.json`. */
export interface PackageMetadata {
  /** `golang`, `node`, `ccaas` …: external builders look at it. */
  readonly type: string
  /** Where the code was, when it was packed; often empty. */
  readonly path: string
  /** What whoever made it calls it. */
  readonly label: string
}

/** A package as it is read. */
export interface ChaincodePackage {
  readonly metadata: PackageMetadata
  /** The bytes of `metadata.json`: builders are given them. */
  readonly metadataBytes: Uint8Array
  /** The bytes of `code.tar.gz`: {@link readCode} unpacks them. */
  readonly code: Uint8Array
}

const METADATA_FILE = 'metadata.json'
const CODE_FILE = 'code.tar.gz'

const LABEL = /^[A-Za-z0-9][A-Za-z0-9_.+-]*$/

/** Why a package may not have the label; undefined where it may. @see Fabric `core/chaincode/persistence/chaincode_package.go` ValidateLabel */
export function labelProblem(label: string): string | undefined {
  if (LABEL.test(label)) return
  return `invalid label '${label}'. Label must be non-empty, can only consist of alphanumerics, symbols from '.+-_', and can only begin with alphanumerics`
}

/** What a package is called: its label, and the hash of all of its bytes. @see Fabric `core/chaincode/persistence/persistence.go` PackageID */
export function packageId(label: string, source: Uint8Array): string {
  return `${label}:${toHex(sha256(source))}`
}

/**
 * Reads a package.
 * @returns `fabric-chaincode/bad-package`, with Fabric's words.
 * @see Fabric `core/chaincode/persistence/chaincode_package.go` ParseChaincodePackage
 */
export async function readPackage(source: Uint8Array, limits: ArchiveLimits = ARCHIVE_LIMITS): Promise<ChaincodePackage | Fault> {
  const entries = await readArchive(source, limits)
  if (isFault(entries)) return badPackage(entries.detail ?? entries.fault)
  const odd = entries.find(({ type }) => type !== 'file')
  if (odd !== undefined) return badPackage(`tar entry ${odd.name} is not a regular file, type ${typeText(odd)}`)
  const metadataBytes = lastNamed(entries, METADATA_FILE)
  const metadata = metadataBytes && readPackageMetadata(metadataBytes)
  if (isFault(metadata)) return metadata
  const code = lastNamed(entries, CODE_FILE)
  if (code === undefined) return badPackage('did not find a code package inside the package')
  if (metadata === undefined || metadataBytes === undefined) {
    return badPackage(`did not find any package metadata (missing ${METADATA_FILE})`)
  }
  const problem = labelProblem(metadata.label) ?? codeProblem(code)
  return problem === undefined ? { metadata, metadataBytes, code } : badPackage(problem)
}

/** Fabric looks for indexes in it at once. @see Fabric `core/common/ccprovider/targzmetadataprovider.go` MetadataAsTarEntries */
function codeProblem(code: Uint8Array): string | undefined {
  const problem = gzipProblem(code)
  return problem && `error retrieving DB artifacts from code package: ${problem}`
}

/** Tar's flags for what is no file: Go tells their bytes. */
const TYPE_FLAGS: ReadonlyMap<string, string> = new Map([
  ['link', '1'],
  ['symlink', '2'],
  ['character-device', '3'],
  ['block-device', '4'],
  ['directory', '5'],
  ['fifo', '6'],
  ['contiguous-file', '7'],
])

function typeText({ type }: ArchiveEntry): string {
  return String(TYPE_FLAGS.get(type)?.charCodeAt(0) ?? type)
}

/**
 * Unpacks a package's code: files alone, which do not leave the folder that they are put in.
 * @param code - Of {@link ChaincodePackage}.
 * @returns `fabric-chaincode/bad-package`, with Fabric's words: for links and other things that are no files, absolute paths and paths that
 * lead out, and files of which one is in the way of another.
 * @see Fabric `core/container/externalbuilder/tar.go` Untar
 */
export async function readCode(code: Uint8Array, limits: ArchiveLimits = ARCHIVE_LIMITS): Promise<readonly CodeFile[] | Fault> {
  const entries = await readArchive(code, limits)
  if (isFault(entries)) return badPackage(entries.detail ?? entries.fault)
  const files = new Map<string, CodeFile>()
  for (const entry of entries) {
    const { name, type, mode, content } = entry
    const path = cleanPath(name)
    if (path === undefined) return badPackage(`tar contains the absolute or escaping path '${name}'`)
    if (type === 'directory') continue
    if (type !== 'file') return badPackage(`invalid file type '${typeText(entry)}' contained in archive for file '${name}'`)
    if (path === '') return badPackage(`could not create file '${name}'`)
    files.set(path, { name: path, content, isExecutable: (mode & 0o100) !== 0 })
  }
  return inTheWay(files) ?? [...files.values()]
}

/** A file of a package's code. */
export interface CodeFile extends ArchivedFile {
  /** Relative, with `/`, without `.` and `..`. */
  readonly name: string
  readonly isExecutable: boolean
}

/** A package that cannot be read. */
function badPackage(detail: string): Fault {
  return { fault: 'fabric-chaincode/bad-package', detail: detail.slice(0, 500) }
}

/** Reads `metadata.json`; what it lacks is empty, and as in Go capitals are as good. @returns `fabric-chaincode/bad-package`. */
export function readPackageMetadata(source: Uint8Array): PackageMetadata | Fault {
  const json = parseJson(source)
  if (json === undefined) return badPackage(`could not unmarshal ${METADATA_FILE} as json`)
  const fields = new Map([...json].filter(([, value]) => value !== null).map(([name, value]) => [name.toLowerCase(), value]))
  const [type, path, label] = ['type', 'path', 'label'].map((name) => fields.get(name) ?? '')
  if (typeof type !== 'string' || typeof path !== 'string' || typeof label !== 'string') {
    return badPackage(`could not unmarshal ${METADATA_FILE} as json: cannot unmarshal into string`)
  }
  return { type, path, label }
}

/** A JSON object by its names. @returns Undefined for what is none. */
export function parseJson(source: Uint8Array): ReadonlyMap<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(source))
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? new Map(Object.entries(value)) : undefined
  } catch {
    return
  }
}

/** Go goes on, and takes what comes last. */
function lastNamed(entries: readonly ArchiveEntry[], name: string): Uint8Array | undefined {
  return entries.findLast((entry) => entry.name === name)?.content
}

/** @returns Undefined for a path that is absolute or leads out; `''` for the folder itself. */
function cleanPath(name: string): string | undefined {
  // A backslash separates on Windows, and a colon begins a drive there; no name of a source file has a NUL.
  if (name.startsWith('/') || /[\\\0]|^[A-Za-z]:/.test(name)) return
  const parts: string[] = []
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue
    if (part !== '..') parts.push(part)
    else if (parts.pop() === undefined) return
  }
  return parts.join('/')
}

function inTheWay(files: ReadonlyMap<string, unknown>): Fault | undefined {
  for (const name of files.keys()) {
    for (let at = name.indexOf('/'); at >= 0; at = name.indexOf('/', at + 1)) {
      if (files.has(name.slice(0, at))) return badPackage(`could not create directory '${name.slice(0, at)}'`)
    }
  }
  return
}
