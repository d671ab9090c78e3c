import { KumikoError, sleep, systemClock } from '@kumiko/interface'
import { aborted } from '@kumiko/terminal'
import type { Output } from '../output.ts'
import { startNeighbourhood } from './neighbourhood.ts'
import { describeMissing, Progress } from './progress.ts'
import { type DevState, devView } from './view.ts'

/** Options of {@link runDev}. */
export interface DevOptions {
  /** 2–64. */
  readonly nodes: number
  /** Of the bootnode; 0: free ones. */
  readonly port: number
  /** End as soon as all is connected and has talked. */
  readonly isOnce: boolean
  readonly timeoutMs: number
}

const REFRESH_MS = 250

/**
 * Runs a neighbourhood until `signal` aborts, or with `isOnce` until it is through.
 *
 * @throws KumikoError `node/dev-timeout` with `isOnce`; what a Host throws at its start.
 */
export async function runDev({ nodes, port, isOnce, timeoutMs }: DevOptions, output: Output, signal: AbortSignal): Promise<void> {
  const begin = systemClock.now()
  const names = Array.from({ length: nodes }, (_, i) => `node-${i + 1}`)
  const progress = new Progress(names)
  const view = devView(output)
  const done = Promise.withResolvers<void>()
  const ended = new AbortController()
  const stopping = AbortSignal.any([signal, ended.signal])
  try {
    await using neighbourhood = await startNeighbourhood({
      names,
      port,
      onEvent: (event) => {
        if (stopping.aborted) return
        progress.receive(event)
        view.event(event)
        if (progress.isComplete) done.resolve()
      },
    })
    const state = (): DevState => ({
      bootnode: neighbourhood.bootnode,
      nodes: neighbourhood.nodes,
      pairs: progress.pairs,
      missing: progress.missing(),
      elapsedMs: Math.round(systemClock.now() - begin),
    })
    const refreshing = repeat(REFRESH_MS, stopping, () => view.refresh(state()))
    try {
      const isThrough = await Promise.race([done.promise.then(() => true), timeUp(begin + timeoutMs, stopping), aborted(signal)])
      if (isThrough === true) view.complete(state())
      if (isThrough === false && !(isOnce && !output.isJson)) view.late(state())
      if (isThrough === false && isOnce) throw timedOut(state(), timeoutMs)
      if (isOnce) return
      if (isThrough === false) await Promise.race([done.promise.then(() => view.complete(state())), aborted(signal)])
      await aborted(signal)
    } finally {
      ended.abort()
      await refreshing
    }
  } finally {
    view.end()
  }
}

/** Resolves to false at the deadline, or to nothing where the signal aborts first. */
async function timeUp(deadline: number, signal: AbortSignal): Promise<false | undefined> {
  try {
    await sleep(systemClock, deadline - systemClock.now(), signal)
    return false
  } catch {
    return undefined
  }
}

async function repeat(everyMs: number, signal: AbortSignal, act: () => void): Promise<void> {
  while (!signal.aborted) {
    act()
    await sleep(systemClock, everyMs, signal).catch(() => {})
  }
}

function timedOut({ missing }: DevState, timeoutMs: number): KumikoError {
  const pairs = missing.length === 1 ? '1 pair of nodes is' : `${missing.length} pairs of nodes are`
  const message = `${pairs} not through within ${timeoutMs / 1000} s: ${describeMissing(missing)}; try a longer --timeout`
  return new KumikoError('node/dev-timeout', message, { context: { missing } })
}
