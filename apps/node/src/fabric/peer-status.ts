import { readFile } from 'node:fs/promises'
import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { KumikoError } from '@kumiko/interface'
import type { CoreConfig } from './core-config.ts'

/** What a peer's operations server tells of it. */
export interface PeerStatus {
  /** Fabric's words. `UNKNOWN`: nobody answers. `ERROR`: a part is not well. */
  readonly state: 'STARTED' | 'ERROR' | 'UNKNOWN'
  readonly failed: readonly FailedPart[]
}

/** What is wrong with a part. */
export interface FailedPart {
  readonly component: string
  readonly reason: string
}

const TIMEOUT_MS = 5_000
const ANSWER_MAX_BYTES = 1 << 20

/** Asks the operations server that `core.yaml` names. It does not throw where nobody answers. @throws KumikoError `node/unreadable-file`. */
export async function peerStatus(core: CoreConfig): Promise<PeerStatus> {
  const text = await healthOf(core).catch((error: unknown) => {
    if (error instanceof KumikoError) throw error
    return undefined
  })
  if (text === undefined) return { state: 'UNKNOWN', failed: [] }
  const failed = failedIn(text)
  return failed === undefined ? { state: 'UNKNOWN', failed: [] } : { state: failed.length === 0 ? 'STARTED' : 'ERROR', failed }
}

async function healthOf(core: CoreConfig): Promise<string> {
  const isTls = core['operations.tls.enabled']
  const roots = isTls ? await rootsOf(core) : []
  const url = new URL(`${isTls ? 'https' : 'http'}://${reachable(core['operations.listenAddress'])}/healthz`)
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  // The certificate is our own peer's, for whatever name: it must be the very one, or of its CA.
  const options = { timeout: TIMEOUT_MS, agent: false, ...(isTls && { ca: roots, checkServerIdentity: () => undefined }) }
  const request = (isTls ? requestHttps : requestHttp)(url, options, (response) => {
    let text = ''
    response.setEncoding('utf8')
    response.on('data', (chunk: string) => {
      text += chunk
      if (text.length > ANSWER_MAX_BYTES) request.destroy(new Error('the answer is too long'))
    })
    response.on('end', () => resolve(text))
    response.on('error', reject)
  })
  request.on('timeout', () => request.destroy(new Error('no answer in time')))
  request.on('error', reject)
  request.end()
  return await promise
}

async function rootsOf(core: CoreConfig): Promise<Buffer[]> {
  const paths = [core['operations.tls.cert.file'], core['peer.tls.rootcert.file'], ...core['operations.tls.clientRootCAs.files']]
  return await Promise.all(paths.flatMap((path) => (path === undefined ? [] : [readFile(path)])))
}

/** An address of all interfaces is reached on this machine's own. */
function reachable(listen: string): string {
  return listen.replace(/^(0\.0\.0\.0)?:/, '127.0.0.1:').replace(/^\[::\]:/, '[::1]:')
}

function failedIn(text: string): readonly FailedPart[] | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || !('status' in value)) return
    const checks: unknown = 'failed_checks' in value ? value.failed_checks : []
    return Array.isArray(checks) ? checks.map(failedPart) : undefined
  } catch {
    return
  }
}

function failedPart(value: unknown): FailedPart {
  const text = (name: string): string => {
    const found: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
    return typeof found === 'string' ? found : ''
  }
  return { component: text('component'), reason: text('reason') }
}
