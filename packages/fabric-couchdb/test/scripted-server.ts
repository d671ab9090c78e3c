import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import { listen, textOf } from './couch-server.ts'

/** A request that the server got. */
export interface Asked {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** Answers as a test says, to show what becomes of faults that no CouchDB shows when asked. */
export interface ScriptedServer {
  readonly url: string
  readonly asked: readonly Asked[]
  close(): Promise<void>
}

/** Each is used once, in their order; the last one for all requests that follow. */
export async function scriptedServer(...script: readonly ((response: ServerResponse, asked: Asked) => void)[]): Promise<ScriptedServer> {
  const asked: Asked[] = []
  const server = createServer((request, response) => {
    textOf(request).then(
      (body) => {
        const next = { method: request.method ?? '', path: request.url ?? '', headers: request.headers, body }
        const step = script[Math.min(asked.push(next), script.length) - 1]
        step?.(response, next)
      },
      () => {},
    )
  })
  return { asked, ...(await listen(server)) }
}

/** Answers with JSON. */
export function say(status: number, body: unknown): (response: ServerResponse) => void {
  return (response) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

/** What a CouchDB says at `/`. */
export const welcome: (response: ServerResponse) => void = say(200, { couchdb: 'Welcome', version: '3.3.3' })
