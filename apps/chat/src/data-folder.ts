import { join } from 'node:path'
import { type DataFolder as NodeFolder, openDataFolder as openNodeFolder } from '@kumiko/terminal/data-folder'
import { HistoryFile } from './history-file.ts'

/** What a chat keeps from one run to the next. No other process can open it meanwhile. */
export interface DataFolder extends NodeFolder {
  /** In `history-….jsonl`, one for each room. */
  readonly history: HistoryFile
}

/**
 * Opens a folder, and makes what is missing.
 *
 * @throws KumikoError `chat/history-not-accessible`; as `openDataFolder` of `@kumiko/terminal`.
 */
export async function openDataFolder(path: string, tag: string): Promise<DataFolder> {
  const folder = await openNodeFolder(path, (text) => void process.stderr.write(`kumiko-chat: ${text}\n`))
  try {
    const history = new HistoryFile(join(path, `history-${tag}.jsonl`))
    const close = async (): Promise<void> => {
      history[Symbol.dispose]()
      await folder[Symbol.asyncDispose]()
    }
    return { ...folder, history, [Symbol.asyncDispose]: close }
  } catch (error) {
    await folder[Symbol.asyncDispose]()
    throw error
  }
}
