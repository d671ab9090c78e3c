/** `npm` passes a signal on that the terminal has sent to us already: what comes so soon after the first is the same one. */
const SAME_MS = 500

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Says when to leave. */
export interface StopSignal extends Disposable {
  readonly signal: AbortSignal
  /** As ctrl-C does: in a terminal that is read line by line it comes as a key. */
  stop(): void
}

/** Turns the first ctrl-C (or SIGTERM, SIGHUP) into an abort, so that the others are told; a second one ends the process at once. */
export function stopSignal(): StopSignal {
  const controller = new AbortController()
  let firstAt: number | undefined
  const stop = (): void => {
    firstAt ??= performance.now()
    if (controller.signal.aborted && performance.now() - firstAt > SAME_MS) process.exit(130)
    controller.abort()
  }
  for (const name of SIGNALS) process.on(name, stop)
  return {
    signal: controller.signal,
    stop,
    [Symbol.dispose]: () => {
      for (const name of SIGNALS) process.off(name, stop)
    },
  }
}
