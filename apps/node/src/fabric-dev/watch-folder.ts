import { watch } from 'node:fs'
import { sep } from 'node:path'

/** An editor writes a file in several steps, and several files: so long after the last of them it is one change. */
const SETTLE_MS = 100

/** What a contract is made of: a network's own files may lie beside it. */
const SOURCE = /\.([cm]?[jt]s|json)$/

/**
 * Tells of changes of sources in a folder and those in it, but in `node_modules` and in what begins with a dot.
 * @param changed - Called once for changes that come together.
 * @returns Ends it.
 */
export function watchFolder(folder: string, changed: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined
  const watcher = watch(folder, { recursive: true }, (_, name) => {
    const parts = name?.split(sep) ?? []
    if (!SOURCE.test(name ?? '') || parts.some((part) => part === 'node_modules' || part.startsWith('.'))) return
    clearTimeout(timer)
    timer = setTimeout(changed, SETTLE_MS)
  })
  // A folder that goes away is no reason to end: nothing of it changes any more.
  watcher.on('error', () => {})
  return () => {
    clearTimeout(timer)
    watcher.close()
  }
}
