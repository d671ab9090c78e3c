import { Worker } from 'node:worker_threads'
import type { Millis } from '@kumiko/interface'
import { RunningList } from './running-list.ts'

const IS_SOURCE = import.meta.url.endsWith('.ts')
const THREAD_URL = new URL(IS_SOURCE ? './watch-thread.ts' : './watch-thread.js', import.meta.url)

/** What the thread is told when it begins. */
export interface WatchThreadData {
  readonly memory: SharedArrayBuffer
  readonly hangMs: Millis
}

/** Longer than a pause for garbage, or a slow machine's, is. */
const HANG_MS = 5000

/**
 * Tells on stderr, from a thread of its own, when this one has not answered for some seconds: what runs in it, and where: code that never
 * leaves the processor stops all of it. It says nothing while a debugger has stopped the process, and does not keep the process.
 */
export class Watchdog {
  readonly #running = new RunningList()
  readonly #hangMs: Millis
  #thread: Worker | undefined

  /** Begins nothing. @param hangMs - How long this thread may not answer. */
  constructor(hangMs: Millis = HANG_MS) {
    this.#hangMs = hangMs
  }

  /** Tells what runs now; the first one begins the thread. @returns Ends it. */
  watch(what: string): () => void {
    this.#thread ??= this.#begin()
    return this.#running.add(what)
  }

  /** Ends the thread. */
  async stop(): Promise<void> {
    const thread = this.#thread
    this.#thread = undefined
    await thread?.terminate()
  }

  #begin(): Worker {
    const workerData: WatchThreadData = { memory: this.#running.memory, hangMs: this.#hangMs }
    const thread = new Worker(THREAD_URL, { workerData, execArgv: IS_SOURCE ? ['--conditions=@kumiko/source'] : [] })
    thread.on('message', () => thread.postMessage('here'))
    // It is a help: without it all goes on.
    thread.on('error', () => {})
    thread.unref()
    return thread
  }
}
