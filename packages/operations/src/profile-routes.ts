import { Session } from 'node:inspector/promises'
import { type Clock, sleep } from '@kumiko/interface'
import { json, type OperationsResponse, type OperationsRoute } from './route.ts'

/** A profile takes so many seconds at most. */
export const PROFILE_SECONDS_MAX = 120

const SECONDS = 30

/**
 * V8's profiles, for Chrome's developer tools: `/debug/pprof/profile?seconds=30` of the processor (`.cpuprofile`), `/debug/pprof/heap?seconds=30`
 * of what is allocated (`.heapprofile`). One at a time.
 */
export function profileRoutes(clock: Clock): readonly OperationsRoute[] {
  let isBusy = false
  const route = (path: string, name: string, take: (session: Session, wait: () => Promise<void>) => Promise<unknown>): OperationsRoute => ({
    path,
    handle: async ({ method, query, signal }): Promise<OperationsResponse> => {
      if (method !== 'GET') return { status: 405 }
      const text = query.get('seconds') ?? String(SECONDS)
      const seconds = /^\d{1,3}$/.test(text) ? Number(text) : 0
      if (seconds < 1 || seconds > PROFILE_SECONDS_MAX) return json(400, { error: `want seconds from 1 to ${PROFILE_SECONDS_MAX}` })
      if (isBusy) return json(409, { error: 'a profile is being taken already' })
      isBusy = true
      const session = new Session()
      try {
        session.connect()
        const profile = await take(session, () => sleep(clock, seconds * 1000, signal))
        return { ...json(200, profile), headers: { 'content-disposition': `attachment; filename="${name}"` } }
      } finally {
        session.disconnect()
        isBusy = false
      }
    },
  })
  return [
    route('/debug/pprof/profile', 'kumiko.cpuprofile', async (session, wait) => {
      await session.post('Profiler.enable')
      await session.post('Profiler.start')
      await wait()
      return (await session.post('Profiler.stop')).profile
    }),
    route('/debug/pprof/heap', 'kumiko.heapprofile', async (session, wait) => {
      await session.post('HeapProfiler.enable')
      await session.post('HeapProfiler.startSampling')
      await wait()
      return (await session.post('HeapProfiler.stopSampling')).profile
    }),
  ]
}
