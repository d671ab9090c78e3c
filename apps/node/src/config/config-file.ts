import { open } from 'node:fs/promises'
import { codeOf, KumikoError } from '@kumiko/interface'
import { isNode, LineCounter, parseDocument } from 'yaml'
import { ConfigError, type ConfigFault } from './config-error.ts'

/** A configuration is no larger. */
const SIZE_MAX_BYTES = 1 << 20

/** What a file says, and where. */
export interface ConfigFile {
  readonly value: unknown
  /** `kumiko.yaml:3`: where a value or a key is; of what is not there, where that would be. */
  originOf(path: readonly PropertyKey[]): string
}

/**
 * Reads YAML 1.2, of which JSON is a part.
 *
 * @throws KumikoError `node/unreadable-config`; ConfigError where it is no YAML.
 */
export async function readConfigFile(path: string): Promise<ConfigFile> {
  const lines = new LineCounter()
  const document = parseDocument(await readText(path), { lineCounter: lines, prettyErrors: false })
  const faults = document.errors.map(({ message, pos }) => {
    const { line, col } = lines.linePos(pos[0])
    return invalid(`${path}:${line}:${col}`, message)
  })
  if (faults.length > 0) throw new ConfigError(faults)
  return {
    value: contentOf(document, path),
    originOf: (keys) => {
      for (let length = keys.length; length > 0; length--) {
        const node = keyNode(document, keys.slice(0, length))
        if (isNode(node) && node.range) return `${path}:${lines.linePos(node.range[0]).line}`
      }
      return path
    },
  }
}

type Document = ReturnType<typeof parseDocument>

/** @throws ConfigError where an alias has no anchor, or aliases make too much of little. */
function contentOf(document: Document, path: string): unknown {
  try {
    return document.toJS()
  } catch (cause) {
    throw new ConfigError([invalid(path, cause instanceof Error ? cause.message : String(cause))])
  }
}

function invalid(origin: string, message: string): ConfigFault {
  return { origin, path: '', message: `not valid YAML or JSON: ${message}`, isUsage: false }
}

/** Of a key in a mapping, the key itself, since that is where its line is; of an item in a list, the item. */
function keyNode(document: Document, keys: readonly PropertyKey[]): unknown {
  const parent: unknown = keys.length === 1 ? document.contents : document.getIn(keys.slice(0, -1), true)
  const last = keys.at(-1)
  if (typeof last === 'number') return document.getIn(keys, true)
  const items: unknown = typeof parent === 'object' && parent !== null && 'items' in parent ? parent.items : []
  const pairs = Array.isArray(items) ? (items as { readonly key?: unknown }[]) : []
  return pairs.map(({ key }) => key).find((key) => String(key) === String(last))
}

/** Read up to the limit, whatever the path leads to: it may be a pipe, or a device without end. */
async function readText(path: string): Promise<string> {
  try {
    await using file = await open(path, 'r')
    const chunks: Uint8Array[] = []
    let sizeBytes = 0
    for await (const chunk of file.createReadStream({ end: SIZE_MAX_BYTES, autoClose: false })) {
      chunks.push(chunk as Uint8Array)
      sizeBytes += (chunk as Uint8Array).length
    }
    if (sizeBytes > SIZE_MAX_BYTES) throw unreadable(path, `more than ${SIZE_MAX_BYTES} bytes`)
    return Buffer.concat(chunks).toString('utf8')
  } catch (cause) {
    if (cause instanceof KumikoError) throw cause
    throw unreadable(path, codeOf(cause) ?? String(cause), cause)
  }
}

function unreadable(path: string, why: string, cause?: unknown): KumikoError {
  return new KumikoError('node/unreadable-config', `cannot read config file "${path}" (${why}): correct the path or make it readable`, {
    context: { path },
    cause,
  })
}
