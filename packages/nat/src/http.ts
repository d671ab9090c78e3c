import { request } from 'node:http'
import { normalIp } from '@kumiko/identity'
import type { Clock, Fault, Millis } from '@kumiko/interface'

/** What was answered. */
export interface HttpAnswer {
  readonly status: number
  readonly text: string
  /** Our address, as the other side sees it. */
  readonly localIp: string
}

/** A gateway's pages are small. */
const BODY_BYTES_MAX = 256 * 1024
/** For all of an answer. */
const ANSWER_MS: Millis = 5000

/**
 * Fetches, or posts where there is a body, on a connection of its own. Redirections are not followed.
 *
 * @returns `nat/unreachable`, `nat/no-answer` after 5 s, or `nat/bad-answer` for more than 256 KiB.
 * @throws The signal's reason.
 */
export async function http(
  clock: Clock,
  url: URL,
  signal: AbortSignal,
  post?: { readonly headers: Readonly<Record<string, string>>; readonly body: string },
): Promise<HttpAnswer | Fault> {
  signal.throwIfAborted()
  const { promise, resolve } = Promise.withResolvers<HttpAnswer | Fault>()
  const fail = (error: Error): void => resolve({ fault: 'nat/unreachable', detail: `${url.host}: ${error.message}` })
  const outgoing = request(url, { agent: false, signal, method: post === undefined ? 'GET' : 'POST', headers: { ...post?.headers } })
  outgoing.on('error', fail)
  outgoing.on('response', (incoming) => {
    const chunks: Buffer[] = []
    let size = 0
    incoming.on('error', fail)
    incoming.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size <= BODY_BYTES_MAX) chunks.push(chunk)
      else resolve({ fault: 'nat/bad-answer', detail: `${url.host}: more than ${BODY_BYTES_MAX} bytes` })
    })
    incoming.on('end', () => {
      const localIp = normalIp(incoming.socket.localAddress ?? '') ?? ''
      resolve({ status: incoming.statusCode ?? 0, text: Buffer.concat(chunks).toString(), localIp })
    })
  })
  outgoing.end(post?.body)
  const cancel = clock.at(clock.now() + ANSWER_MS, () => resolve({ fault: 'nat/no-answer', detail: url.host }))
  try {
    return await promise
  } finally {
    cancel()
    outgoing.destroy()
    signal.throwIfAborted()
  }
}
