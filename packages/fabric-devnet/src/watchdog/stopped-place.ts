import { type Debugger, Session } from 'node:inspector'
import { SourceMap, type SourceMapPayload } from 'node:module'
import { fileURLToPath } from 'node:url'

/** For the main thread to answer: it does so between any two steps of a loop. */
const ANSWER_MS = 2000

/**
 * Where the main thread is, asked from another one: the main thread stands still for as long as it takes to tell.
 * @returns `/home/me/assets.ts:12:5 (spin)`; `'debugger'` where a debugger has stopped it; undefined where it cannot be told: in native code, or
 * where Node is without an inspector.
 */
export async function stoppedPlace(): Promise<string | 'debugger' | undefined> {
  const session = new Session()
  const scripts = new Map<string, Script>()
  const stopped = Promise.withResolvers<Debugger.PausedEventDataType | undefined>()
  const late = setTimeout(() => stopped.resolve(undefined), ANSWER_MS)
  let wasStopped = false
  let hasAsked = false
  try {
    session.connectToMainThread()
    session.on('Debugger.scriptParsed', ({ params }) => scripts.set(params.scriptId, params))
    session.on('Debugger.paused', ({ params }) => {
      wasStopped ||= !hasAsked
      stopped.resolve(params)
    })
    session.post('Debugger.enable', () => {
      hasAsked = true
      if (!wasStopped) session.post('Debugger.pause')
    })
    const at = await stopped.promise
    return wasStopped ? 'debugger' : at && placeOf(at.callFrames, scripts)
  } catch {
    return undefined
  } finally {
    clearTimeout(late)
    // It goes on when nobody debugs it.
    session.disconnect()
  }
}

type Script = Pick<Debugger.ScriptParsedEventDataType, 'url' | 'sourceMapURL'>

const INLINE = 'data:application/json;base64,'

/** The first frame of a file that is no package's. */
function placeOf(frames: readonly Debugger.CallFrame[], scripts: ReadonlyMap<string, Script>): string | undefined {
  const scriptOf = ({ location }: Debugger.CallFrame): Script => scripts.get(location.scriptId) ?? { url: '' }
  const frame = frames.find((each) => isOwn(scriptOf(each).url)) ?? frames[0]
  if (frame === undefined) return
  const { url, sourceMapURL } = scriptOf(frame)
  const { lineNumber, columnNumber = 0 } = frame.location
  const entry = mapOf(sourceMapURL)?.findEntry(lineNumber, columnNumber)
  const [line, column] = entry && 'originalLine' in entry ? [entry.originalLine, entry.originalColumn] : [lineNumber, columnNumber]
  const name = frame.functionName === '' ? '' : ` (${frame.functionName})`
  return `${url.startsWith('file:') ? fileURLToPath(url) : url}:${line + 1}:${column + 1}${name}`
}

function isOwn(url: string): boolean {
  return url.startsWith('file:') && !url.includes('/node_modules/')
}

function mapOf(url = ''): SourceMap | undefined {
  if (!url.startsWith(INLINE)) return
  const payload: SourceMapPayload = JSON.parse(Buffer.from(url.slice(INLINE.length), 'base64').toString())
  return new SourceMap(payload)
}
