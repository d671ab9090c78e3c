import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { ListenerTls } from '@kumiko/fabric-grpc'
import { CHANNEL_ID, readBlock } from '@kumiko/fabric-protocol'
import { isFault, KumikoError } from '@kumiko/interface'
import type { OrdererChannel } from './channel.ts'
import { joinBlockChannel } from './join-block.ts'
import type { Orderer } from './orderer.ts'

/** How an orderer's operator reaches it. */
export interface ChannelParticipationOptions {
  /** `host:port`, port 0 for any that is free. Default `127.0.0.1:9443`: whoever reaches it without TLS may join and remove channels. */
  readonly listen?: string
  /** Default: without TLS. With `clientRootCas`, clients must show a certificate of theirs. */
  readonly tls?: ListenerTls
  /** For a block to join with, and what is around it, in bytes. Default 1 MiB, as in Fabric. */
  readonly requestBytesMax?: number
}

/** The REST service of Fabric's `osnadmin`: which channels an orderer is in. Holds nothing before its start. */
export interface ChannelParticipation {
  /** Once it is started: the real port. */
  readonly address: string | undefined
  /** @throws What listening fails with. */
  start(): Promise<void>
  /** Ends open requests. */
  stop(): Promise<void>
}

const LISTEN = '127.0.0.1:9443'
const REQUEST_BYTES_MAX = 1_048_576
const CONNECTIONS_MAX = 100
/** As Fabric: a request may take 10 s to come, an answer 2 min to go. */
const TIMES = { headersTimeout: 10_000, requestTimeout: 10_000, keepAliveTimeout: 5_000, connectionsCheckingInterval: 1_000 }
const HANDSHAKE_MS = 10_000
const IDLE_MS = 120_000
/** A boundary is at most 70 characters (RFC 2046 § 5.1.1); reading a form takes a time that grows with the boundary's. */
const CONTENT_TYPE_MAX = 200

const BASE = '/participation/v1/'
const CHANNELS = '/participation/v1/channels'
const PART = 'config-block'

/**
 * Serves `GET`, `POST` of `/participation/v1/channels` and `GET`, `DELETE` of `/participation/v1/channels/<name>`, with Fabric's JSON and texts.
 * @see Fabric 2.5 `orderer/common/channelparticipation/restapi.go`
 */
export function channelParticipation(orderer: Orderer, options: ChannelParticipationOptions = {}): ChannelParticipation {
  return new RestServer(orderer, options)
}

interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  /** Undefined: none. */
  readonly json?: unknown
}

class RestServer implements ChannelParticipation {
  readonly #orderer: Orderer
  readonly #options: ChannelParticipationOptions
  #server: Server | undefined

  constructor(orderer: Orderer, options: ChannelParticipationOptions) {
    this.#orderer = orderer
    this.#options = options
  }

  get address(): string | undefined {
    const address = this.#server?.address()
    if (address === undefined || address === null || typeof address === 'string') return undefined
    return address.family === 'IPv6' ? `[${address.address}]:${address.port}` : `${address.address}:${address.port}`
  }

  async start(): Promise<void> {
    if (this.#server !== undefined) return
    const server = serverOf(this.#options.tls, (request, response) => void this.#serve(request, response))
    server.maxConnections = CONNECTIONS_MAX
    server.timeout = IDLE_MS
    const { listen = LISTEN } = this.#options
    const colon = listen.lastIndexOf(':')
    const host = listen.slice(0, colon).replace(/^\[(.*)\]$/, '$1')
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ port: Number(listen.slice(colon + 1)), ...(host !== '' && { host }) }, resolve)
    })
    this.#server = server
  }

  async stop(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    const closed = new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    await closed
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status, headers, json } = await this.#answer(request).catch((error: unknown) => failure(500, messageOf(error)))
    // What was not read would be taken for another request.
    if (!request.complete) response.setHeader('Connection', 'close')
    response.writeHead(status, { ...headers, ...(json !== undefined && { 'Content-Type': 'application/json' }) })
    response.end(json === undefined ? undefined : `${JSON.stringify(json)}\n`)
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    const { method = '' } = request
    const path = new URL(request.url ?? '/', 'http://orderer').pathname
    if (path === BASE && method === 'GET') return { status: 302, headers: { Location: CHANNELS } }
    const isOne = path.startsWith(`${CHANNELS}/`) && /^[^/]+$/.test(path.slice(CHANNELS.length + 1))
    if (path !== CHANNELS && !isOne) return { status: 404 }
    const allowed = isOne ? ['GET', 'DELETE'] : ['GET', 'POST']
    if (!allowed.includes(method)) return notAllowed(`invalid request method: ${method}`, allowed)
    if (method === 'POST' && !isMultipart(request))
      return failure(400, `unsupported Content-Type: [${request.headers['content-type'] ?? ''}]`)
    if (!takesJson(request.headers.accept)) return failure(406, 'response Content-Type is application/json only')
    if (!isOne) return method === 'POST' ? await this.#join(request) : this.#list()
    return await this.#one(method, decoded(path.slice(CHANNELS.length + 1)))
  }

  #list(): Answer {
    const channels = this.#orderer.channels().map((name) => ({ name, url: `${CHANNELS}/${name}` }))
    return uncached({ systemChannel: null, channels: channels.length === 0 ? null : channels })
  }

  async #one(method: string, name: string): Promise<Answer> {
    const problem = nameProblem(name)
    if (problem !== undefined) return failure(400, `invalid channel ID: ${problem}`)
    if (method === 'DELETE') return await this.#remove(name)
    const channel = this.#orderer.channel(name)
    return channel === undefined ? failure(404, 'channel does not exist') : uncached(infoOf(channel))
  }

  async #remove(name: string): Promise<Answer> {
    try {
      await this.#orderer.remove(name)
      return { status: 204 }
    } catch (error) {
      const status = codeOf(error) === 'fabric-orderer/no-channel' ? 404 : 400
      return failure(status, `cannot remove: ${messageOf(error)}`)
    }
  }

  async #join(request: IncomingMessage): Promise<Answer> {
    const form = await readForm(request, this.#options.requestBytesMax ?? REQUEST_BYTES_MAX)
    if (typeof form === 'string') return failure(400, `cannot read form from request body: ${form}`)
    const part = form.get(PART)
    if (part === null || typeof part === 'string') return failure(400, `form does not contains part key: ${PART}`)
    if ([...form.keys()].length !== 1) return failure(400, 'form contains too many parts')
    const block = readBlock(new Uint8Array(await part.arrayBuffer()))
    if (isFault(block)) return failure(400, `cannot unmarshal file part ${PART} into a block: ${block.detail ?? block.fault}`)
    const named = joinBlockChannel(block)
    if (isFault(named)) return failure(400, `invalid join block: ${named.detail ?? named.fault}`)
    try {
      const info = infoOf(await this.#orderer.join(block))
      return { status: 201, headers: { Location: info.url }, json: info }
    } catch (error) {
      const why = `cannot join: ${messageOf(error)}`
      return codeOf(error) === 'fabric-orderer/channel-exists' ? notAllowed(why, ['GET', 'DELETE']) : failure(400, why)
    }
  }
}

/** What the service tells of a channel, in Fabric's order. */
interface ChannelInfo {
  readonly name: string
  readonly url: string
  readonly consensusRelation: 'consenter'
  readonly status: 'active' | 'failed'
  readonly height: number
}

function infoOf({ channelId, height, errored }: OrdererChannel): ChannelInfo {
  const status = errored.aborted ? 'failed' : 'active'
  return { name: channelId, url: `${CHANNELS}/${channelId}`, consensusRelation: 'consenter', status, height: Number(height) }
}

function serverOf(tls: ListenerTls | undefined, serve: (request: IncomingMessage, response: ServerResponse) => void): Server {
  if (tls === undefined) return createHttpServer(TIMES, serve)
  const { certificate, privateKey, clientRootCas } = tls
  const asksClients = clientRootCas !== undefined && {
    ca: clientRootCas.map((root) => Buffer.from(root)),
    requestCert: true,
    rejectUnauthorized: true,
  }
  const times = { ...TIMES, handshakeTimeout: HANDSHAKE_MS }
  return createHttpsServer({ ...times, cert: Buffer.from(certificate), key: Buffer.from(privateKey), ...asksClients }, serve)
}

/** @returns What is wrong, where it cannot be read. */
async function readForm(request: IncomingMessage, bytesMax: number): Promise<FormData | string> {
  const parts: Uint8Array[] = []
  let size = 0
  const contentType = request.headers['content-type'] ?? ''
  if (contentType.length > CONTENT_TYPE_MAX) return 'multipart: boundary is too long'
  try {
    for await (const part of request) {
      if (!(part instanceof Uint8Array)) return 'no bytes'
      size += part.length
      if (size > bytesMax) return 'http: request body too large'
      parts.push(part)
    }
    return await new Response(Buffer.concat(parts), { headers: { 'Content-Type': contentType } }).formData()
  } catch (error) {
    return messageOf(error)
  }
}

/** What is not encoded as it should be is no channel's name either. */
function decoded(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}

function isMultipart(request: IncomingMessage): boolean {
  return (request.headers['content-type'] ?? '').includes('multipart/form-data')
}

function takesJson(accept = ''): boolean {
  return accept === '' || ['application/json', 'application/*', '*/*'].some((type) => accept.includes(type))
}

/** @see Fabric `common/configtx/validator.go` ValidateChannelID */
function nameProblem(name: string): string | undefined {
  if (name === '') return 'channel ID illegal, cannot be empty'
  if (name.length > 249) return 'channel ID illegal, cannot be longer than 249'
  return CHANNEL_ID.test(name) ? undefined : `'${name}' contains illegal characters`
}

function uncached(json: unknown): Answer {
  return { status: 200, headers: { 'Cache-Control': 'no-store' }, json }
}

function failure(status: number, error: string): Answer {
  return { status, json: { error } }
}

function notAllowed(error: string, allowed: readonly string[]): Answer {
  return { status: 405, headers: { Allow: allowed.join(', ') }, json: { error } }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof KumikoError ? error.code : undefined
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
