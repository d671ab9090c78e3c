import { open } from 'node:fs/promises'
import { writeFileAtomic } from '@kumiko/identity'
import { codeOf, KumikoError } from '@kumiko/interface'

/** A JSON file that was read. */
export interface JsonFile {
  readonly text: string
  readonly value: unknown
  /** `nodes.json:3:5`. @param offset - Of a character of the text. */
  placeOf(offset: number): string
}

/** No file of ours is larger. */
const SIZE_MAX_BYTES = 1 << 26

/**
 * Reads a JSON file, which stays as it is.
 *
 * @returns Undefined where there is none.
 * @throws KumikoError `node/unreadable-file` where the system refuses, or it is no file or too large; `node/bad-file` where it is no JSON.
 */
export async function readJsonFile(path: string): Promise<JsonFile | undefined> {
  const text = await readText(path)
  if (text === undefined) return undefined
  const placeOf = (offset: number): string => {
    const lines = text.slice(0, offset).split('\n')
    return `${path}:${lines.length}:${(lines.at(-1)?.length ?? 0) + 1}`
  }
  try {
    return { text, placeOf, value: JSON.parse(text) as unknown }
  } catch (cause) {
    const at = jsonFaultAt(text) ?? text.length
    throw badFile(placeOf(at), at >= text.trimEnd().length ? 'not valid JSON: it ends too early' : 'not valid JSON', { path }, cause)
  }
}

/** Writes a JSON file, whole or not at all. Missing folders are made. @throws KumikoError `node/unwritable-file`. */
export async function writeJsonFile(path: string, value: unknown): Promise<void> {
  await writeWholeFile(path, `${JSON.stringify(value, null, 2)}\n`)
}

/** As {@link writeJsonFile}, of any text. @throws KumikoError `node/unwritable-file`. */
export async function writeWholeFile(path: string, text: string): Promise<void> {
  try {
    await writeFileAtomic(path, text, 'replace')
  } catch (cause) {
    const why = codeOf(cause) ?? String(cause)
    const message = `cannot write "${path}" (${why}): make its folder writable or choose another path`
    throw new KumikoError('node/unwritable-file', message, { context: { path }, cause })
  }
}

/** Tells an object from a list and all else. */
export function isJsonObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The file cannot be used as it is. @param place - Path, line and column. */
export function badFile(place: string, why: string, context: Readonly<Record<string, unknown>>, cause?: unknown): KumikoError {
  return new KumikoError('node/bad-file', `${place}: ${why}; the file is left as it is: mend it or move it away`, { context, cause })
}

async function readText(path: string): Promise<string | undefined> {
  try {
    await using file = await open(path, 'r')
    const stat = await file.stat()
    if (!stat.isFile()) throw unreadable(path, 'it is no file')
    if (stat.size > SIZE_MAX_BYTES) throw unreadable(path, `more than ${SIZE_MAX_BYTES} bytes`)
    return await file.readFile('utf8')
  } catch (cause) {
    if (cause instanceof KumikoError) throw cause
    const code = codeOf(cause) ?? String(cause)
    if (code === 'ENOENT') return undefined
    throw unreadable(path, code, cause)
  }
}

function unreadable(path: string, why: string, cause?: unknown): KumikoError {
  return new KumikoError('node/unreadable-file', `cannot read "${path}" (${why}): correct the path or make it readable`, {
    context: { path },
    cause,
  })
}

const TOKEN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids them in strings.
  /([{}[\],:])|("[^"\\\u0000-\u001f]*(?:\\(?:["\\/bfnrt]|u[\da-fA-F]{4})[^"\\\u0000-\u001f]*)*")|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y
const BLANKS = /[\t\n\r ]*/y

/** What may follow: tokens by their first character, `k` for a string that is a key, `"` for any other, `v` for numbers and words. */
const VALUE = '{["v'

/** Where a text ceases to be JSON, which `JSON.parse` does not always tell. @returns Undefined where all of it is. */
export function jsonFaultAt(text: string): number | undefined {
  const open: string[] = []
  let wanted = VALUE
  for (let at = after(BLANKS, text, 0); at < text.length; at = after(BLANKS, text, TOKEN.lastIndex)) {
    TOKEN.lastIndex = at
    const [token, punctuation, string] = TOKEN.exec(text) ?? []
    const kind = punctuation ?? (string === undefined ? 'v' : wanted.includes('k') ? 'k' : '"')
    if (token === undefined || !wanted.includes(kind)) return at
    if (kind === '{' || kind === '[') open.push(kind)
    if (kind === '}' || kind === ']') open.pop()
    wanted = followers(kind, open.at(-1))
  }
  return wanted === '' ? undefined : text.length
}

function followers(kind: string, inside: string | undefined): string {
  if (kind === '{') return 'k}'
  if (kind === '[') return `${VALUE}]`
  if (kind === 'k') return ':'
  if (kind === ':') return VALUE
  if (kind === ',') return inside === '{' ? 'k' : VALUE
  if (inside === undefined) return ''
  return inside === '{' ? ',}' : ',]'
}

function after(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at
  pattern.exec(text)
  return pattern.lastIndex
}
