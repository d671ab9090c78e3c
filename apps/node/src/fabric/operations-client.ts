import { readFile } from 'node:fs/promises'
import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { KumikoError } from '@kumiko/interface'
import type { CoreConfig } from './core-config.ts'

/** What an operations server answered. */
export interface OperationsAnswer {
  readonly status: number
  readonly text: string
}

const TIMEOUT_MS = 5_000
const ANSWER_MAX_BYTES = 1 << 20

/** Asks the operations server that `core.yaml` names. @throws KumikoError `node/unreachable`, `node/unreadable-file`. */
export async function askOperations(core: CoreConfig, method: 'GET' | 'PUT', path: string, body = ''): Promise<OperationsAnswer> {
  const address = reachable(core['operations.listenAddress'])
  const isTls = core['operations.tls.enabled']
  const tls = isTls ? await tlsOf(core) : {}
  const { promise, resolve, reject } = Promise.withResolvers<OperationsAnswer>()
  const options = { method, timeout: TIMEOUT_MS, agent: false, ...tls }
  const url = new URL(`${isTls ? 'https' : 'http'}://${address}${path}`)
  const request = (isTls ? requestHttps : requestHttp)(url, options, (response) => {
    let text = ''
    response.setEncoding('utf8')
    response.on('data', (chunk: string) => {
      text += chunk
      if (text.length > ANSWER_MAX_BYTES) request.destroy(new Error('the answer is too long'))
    })
    response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
    response.on('error', reject)
  })
  request.on('timeout', () => request.destroy(new Error('no answer in time')))
  request.on('error', reject)
  request.end(body)
  return await promise.catch((cause: unknown) => {
    const why = cause instanceof Error ? cause.message : String(cause)
    const mend = 'see that the peer runs, and that operations.listenAddress is right'
    throw new KumikoError('node/unreachable', `the operations server at ${address} does not answer (${why}): ${mend}`, { cause })
  })
}

/** The server is our own peer: its certificate is the very one, or of its CA, for whatever name; ours is the peer's. */
async function tlsOf(core: CoreConfig) {
  const [cert, key] = [core['operations.tls.cert.file'], core['operations.tls.key.file']]
  const roots = [cert, core['peer.tls.rootcert.file'], ...core['operations.tls.clientRootCAs.files']]
  const ca = await Promise.all(roots.flatMap((path) => (path === undefined ? [] : [readPem(path)])))
  const own = cert === undefined || key === undefined ? {} : { cert: await readPem(cert), key: await readPem(key) }
  return { ca, ...own, checkServerIdentity: () => undefined }
}

async function readPem(path: string): Promise<Buffer> {
  return await readFile(path).catch((cause: unknown) => {
    throw new KumikoError('node/unreadable-file', `cannot read "${path}": correct the path or make it readable`, {
      context: { path },
      cause,
    })
  })
}

/** An address of all interfaces is reached on this machine's own. */
function reachable(listen: string): string {
  return listen.replace(/^(0\.0\.0\.0)?:/, '127.0.0.1:').replace(/^\[::\]:/, '[::1]:')
}
