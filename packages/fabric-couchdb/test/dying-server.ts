import { createServer } from 'node:http'
import { type CouchServer, listen, textOf } from './couch-server.ts'

/** The server, until it dies at a request: it does what is asked, or not, by turns, and answers no more. @param failAt - From 1. */
export async function dyingServer(server: CouchServer, failAt: number): Promise<{ readonly url: string; close(): Promise<void> }> {
  let count = 0
  const inner = createServer((request, response) => {
    const number = ++count
    const forward = async (): Promise<void> => {
      const body = await textOf(request)
      if (number > failAt) throw new Error('dead')
      const init = { method: request.method ?? 'GET', headers: { 'content-type': 'application/json' }, body: body === '' ? null : body }
      if (number === failAt && failAt % 2 === 0) throw new Error('dies before')
      const answer = await fetch(server.url + request.url, init)
      const text = await answer.text()
      if (number === failAt) throw new Error('dies after')
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(text)
    }
    forward().catch(() => response.destroy())
  })
  return await listen(inner)
}
