/** `npm` passes a signal on that the terminal has sent to us already: what comes so soon after the first is the same one. */
const SAME_MS = 500

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Says when a command that runs on is to stop. Disposed of, it leaves signals to others. */
export interface StopSignal extends Disposable {
  readonly signal: AbortSignal
  /** As ctrl-C does: in a terminal that is read line by line it comes as a key. */
  stop(): void
}

/**
 * Turns the first ctrl-C (or SIGTERM, SIGHUP) into an abort, so that all is closed well; a second one ends the process at once.
 *
 * @param others - Stop for these, too.
 */
export function stopSignal(...others: readonly AbortSignal[]): StopSignal {
  const controller = new AbortController()
  let firstAt: number | undefined
  const stop = (): void => {
    firstAt ??= performance.now()
    if (controller.signal.aborted && performance.now() - firstAt > SAME_MS) process.exit(130)
    controller.abort()
  }
  for (const name of SIGNALS) process.on(name, stop)
  return {
    signal: AbortSignal.any([controller.signal, ...others]),
    stop,
    [Symbol.dispose]: () => {
      for (const name of SIGNALS) process.off(name, stop)
    },
  }
}

/** Resolves when the signal aborts. */
export async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  const { promise, resolve } = Promise.withResolvers<void>()
  signal.addEventListener('abort', () => resolve(), { once: true })
  await promise
}
