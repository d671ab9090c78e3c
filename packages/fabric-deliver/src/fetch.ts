import type { Endpoint } from '@kumiko/fabric-grpc'
import { type Block, readLastConfigIndex } from '@kumiko/fabric-protocol'
import { type Cancel, type Fault, isFault, KumikoError } from '@kumiko/interface'
import type { DeliverStream, StreamHandlers } from './grpc-stream.ts'
import { readDeliveredBlock } from './intake.ts'
import type { DeliverSettings } from './options.ts'
import { readResponse } from './response.ts'
import { Rotation } from './rotation.ts'
import type { Seek } from './seek.ts'
import { isRefusal, statusFault } from './status.ts'

/** Which block: by its number, the first, the last, or the last that changed the channel's configuration. */
export type FetchedBlock = bigint | 'oldest' | 'newest' | 'config'

/** Opens a stream that asks for blocks. */
export type OpenSeek = (endpoint: Endpoint, seek: Seek, handlers: StreamHandlers) => DeliverStream

/**
 * Asks one endpoint after another, in random order, until one gives the block.
 * @returns Undefined where no such block is, by all who answered.
 */
export async function fetchBlock(
  which: FetchedBlock,
  settings: DeliverSettings,
  open: OpenSeek,
  signal: AbortSignal | undefined,
): Promise<Block | undefined> {
  if (which !== 'config') return await fetchFromAny(which, settings, open, signal)
  const newest = await fetchFromAny('newest', settings, open, signal)
  const index = newest && readLastConfigIndex(newest)
  if (!isFault(index)) return index === undefined ? undefined : await fetchFromAny(index, settings, open, signal)
  throw new KumikoError('fabric-deliver/fetch-failed', `the newest block does not tell its last configuration: ${index.detail ?? ''}`)
}

async function fetchFromAny(
  start: Exclude<FetchedBlock, 'config'>,
  settings: DeliverSettings,
  open: OpenSeek,
  signal: AbortSignal | undefined,
): Promise<Block | undefined> {
  const faults: Fault[] = []
  const rotation = new Rotation(settings.endpoints, settings.random)
  for (let asked = 0; asked < settings.endpoints.length; asked++) {
    const answer = await fetchFrom(rotation.next(), start, settings, open, signal)
    if (!isFault(answer)) return answer
    faults.push(answer)
  }
  const worst = faults.find(isRefusal) ?? faults.find(({ fault }) => fault !== 'fabric-deliver/not-found')
  if (worst === undefined) return
  const code = isRefusal(worst) ? worst.fault : 'fabric-deliver/fetch-failed'
  throw new KumikoError(code, `no endpoint gave block ${start}: ${worst.detail ?? worst.fault}`, { context: { faults } })
}

async function fetchFrom(
  endpoint: Endpoint,
  start: Exclude<FetchedBlock, 'config'>,
  { clock, fetchTimeoutMs }: DeliverSettings,
  open: OpenSeek,
  signal: AbortSignal | undefined,
): Promise<Block | Fault> {
  signal?.throwIfAborted()
  const { promise, resolve, reject } = Promise.withResolvers<Block | Fault>()
  const stream = open(endpoint, { start, stop: start, waits: false }, answerHandlers(start, resolve))
  const cancel: Cancel = clock.at(clock.now() + fetchTimeoutMs, () =>
    resolve({ fault: 'fabric-deliver/timeout', detail: endpoint.address }),
  )
  const abort = (): void => reject(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  try {
    return await promise
  } finally {
    cancel()
    stream.close()
    signal?.removeEventListener('abort', abort)
  }
}

function answerHandlers(start: Exclude<FetchedBlock, 'config'>, answer: (answer: Block | Fault) => void): StreamHandlers {
  return {
    connected: () => {},
    message: (bytes) => answer(readAnswer(bytes, start)),
    hasRoom: () => true,
    held: () => {},
    closed: answer,
  }
}

function readAnswer(bytes: Uint8Array, start: Exclude<FetchedBlock, 'config'>): Block | Fault {
  const response = readResponse(bytes)
  if (isFault(response)) return response
  if (response.status !== undefined) return statusFault(response.status)
  if (response.block === undefined) return { fault: 'fabric-deliver/unexpected-message', detail: 'something else came in place of a block' }
  const expected = start === 'oldest' ? 0n : start
  return readDeliveredBlock(response.block, expected === 'newest' ? undefined : expected)
}
