import { connect } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { HttpServer } from '../src/http-server.ts'
import { Logging } from '../src/logging.ts'
import { Operations, type OperationsOptions } from '../src/operations.ts'
import { PrometheusMetrics } from '../src/prometheus-metrics.ts'

const open: Operations[] = []

afterEach(async () => {
  for (const each of open.splice(0)) await each.stop()
})

async function started(options: OperationsOptions = {}): Promise<{ readonly operations: Operations; readonly url: string }> {
  const operations = new Operations({ listen: '127.0.0.1:0', ...options })
  open.push(operations)
  await operations.start()
  return { operations, url: `http://${operations.address}` }
}

/** Sends bytes as they are. @returns What came before the end of the connection. */
async function raw(address: string | undefined, bytes: string): Promise<string> {
  const [host = '', port = ''] = (address ?? '').split(':')
  const socket = connect(Number(port), host)
  let answer = ''
  socket.setEncoding('utf8').on('data', (text: string) => {
    answer += text
  })
  socket.on('error', () => {})
  socket.end(bytes)
  // `once` of node:events would reject for an error before.
  await new Promise<void>((resolve) => socket.once('close', () => resolve()))
  return answer
}

describe('operations', () => {
  it('tell of the health of parts, as Fabric does', async () => {
    const { operations, url } = await started({ checks: { ledger: () => {} } })
    const healthy = await fetch(`${url}/healthz`)
    expect([healthy.status, await healthy.json()]).toEqual([200, { status: 'OK', time: expect.stringMatching(/^\d{4}-/) }])
    const remove = operations.check('couchdb', async () => {
      throw new Error('gone away')
    })
    const ill = await fetch(`${url}/healthz`)
    expect([ill.status, await ill.json()]).toEqual([
      503,
      { status: 'Service Unavailable', time: expect.any(String), failed_checks: [{ component: 'couchdb', reason: 'gone away' }] },
    ])
    expect(() => operations.check('couchdb', () => {})).toThrow('already registered')
    remove()
    expect((await fetch(`${url}/healthz`)).status).toBe(200)
    expect((await fetch(`${url}/healthz`, { method: 'POST' })).status).toBe(405)
  })

  it('show and change log levels, as Fabric does', async () => {
    const logging = new Logging({ write: () => {} })
    const { url } = await started({ logging })
    const put = async (body: string) => {
      const response = await fetch(`${url}/logspec`, { method: 'PUT', body })
      return [response.status, await response.text()]
    }
    expect(await put('{"spec":"gossip=debug:warn"}')).toEqual([204, ''])
    expect(await (await fetch(`${url}/logspec`)).json()).toEqual({ spec: 'gossip=debug:warn' })
    expect(await put('{"spec":"gossip=loud"}')).toEqual([
      400,
      `{"error":"invalid logging specification 'gossip=loud': bad segment 'gossip=loud'"}`,
    ])
    expect(await put('')).toEqual([400, '{"error":"EOF"}'])
    for (const bad of ['{', '[]', '7', '{"spec":7}', 'null']) expect((await put(bad))[0]).toBe(400)
    const deleted = await fetch(`${url}/logspec`, { method: 'DELETE' })
    expect([deleted.status, await deleted.text()]).toEqual([400, '{"error":"invalid request method: DELETE"}'])
    expect(logging.spec).toBe('gossip=debug:warn')
    expect(await put(`{"spec":"${'a'.repeat(70_000)}"}`)).toEqual([413, '{"error":"request body too large"}'])
  })

  it('show metrics and version, and what others add', async () => {
    const metrics = new PrometheusMetrics({ process: false })
    metrics.registerCounter('endorser_proposals_received').increment(7)
    const { operations, url } = await started({ metrics, version: { version: '1.2.3', commitSha: 'abc' } })
    expect(await (await fetch(`${url}/metrics`)).text()).toContain('endorser_proposals_received 7')
    expect(await (await fetch(`${url}/version`)).json()).toEqual({ CommitSHA: 'abc', Version: '1.2.3' })
    operations.add({ path: '/v1/', handle: ({ path, query, method }) => ({ status: 201, body: `${method} ${path} ${query.get('a')}` }) })
    const added = await fetch(`${url}/v1/x/y?a=b`, { method: 'POST', body: 'z' })
    expect([added.status, await added.text()]).toEqual([201, 'POST /v1/x/y b'])
    expect((await fetch(`${url}/debug/pprof/profile`)).status).toBe(404)
  })

  it('take V8 profiles where that is enabled, one at a time', async () => {
    const { url } = await started({ profiles: true })
    const first = fetch(`${url}/debug/pprof/profile?seconds=1`)
    await expect.poll(async () => (await fetch(`${url}/debug/pprof/heap?seconds=1`)).status).toBe(409)
    expect(await (await first).json()).toHaveProperty('nodes')
    expect((await fetch(`${url}/debug/pprof/heap?seconds=1000`)).status).toBe(400)
  })

  it('answer on, whatever comes', async () => {
    const { operations, url } = await started({
      routes: [
        {
          path: '/broken',
          handle: () => {
            throw new Error('broken')
          },
        },
        {
          path: '/stream',
          handle: () => ({
            status: 200,
            body: (async function* () {
              for (;;) yield new Uint8Array(65_536)
            })(),
          }),
        },
      ],
    })
    const { address } = operations
    const hostile = [
      'nonsense\r\n\r\n',
      'GET\r\n\r\n',
      'GET /healthz HTTP/9.9\r\n\r\n',
      `GET /${'a'.repeat(100_000)} HTTP/1.1\r\nhost: x\r\n\r\n`,
      `GET / HTTP/1.1\r\n${'x: y\r\n'.repeat(10_000)}\r\n`,
      'PUT /logspec HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999\r\n\r\n{',
      'PUT /healthz HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
      '\u0016\u0003\u0001\u0002',
      'GET http://[::1/%%%?%zz=%ff HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n',
      'CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n',
      'GET /healthz HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade, close\r\n\r\n',
    ]
    for (const bytes of hostile) await raw(address, bytes)
    expect((await fetch(`${url}/broken`)).status).toBe(500)
    const gone = new AbortController()
    const stream = await fetch(`${url}/stream`, { signal: gone.signal })
    await stream.body?.getReader().read()
    gone.abort()
    expect((await fetch(`${url}/healthz`)).status).toBe(200)
  })

  it('end connections on which nothing goes any more, with what was to be told on them', async () => {
    let isEnded = false
    const body = async function* () {
      try {
        for (;;) yield new Uint8Array(65_536)
      } finally {
        isEnded = true
      }
    }
    const server = new HttpServer({ listen: '127.0.0.1:0', idleTimeoutMs: 200, log: undefined }, () => [
      { path: '/stream', handle: () => ({ status: 200, body: body() }) },
    ])
    await server.start()
    const silent = connect(Number(server.address?.split(':')[1]), '127.0.0.1').on('error', () => {})
    silent.write('GET /stream HTTP/1.1\r\nhost: x\r\n\r\n')
    await expect.poll(() => isEnded).toBe(true)
    silent.destroy()
    await server.stop()
  })

  it('say what is wrong with an address', async () => {
    const { operations } = await started()
    await expect(new Operations({ listen: operations.address ?? '' }).start()).rejects.toMatchObject({ code: 'operations/cannot-listen' })
    await expect(new Operations({ listen: 'nowhere' }).start()).rejects.toMatchObject({ code: 'operations/bad-address' })
  })

  it('can be stopped twice, and started again', async () => {
    const { operations } = await started()
    await operations.stop()
    await operations.stop()
    await operations.start()
    expect((await fetch(`http://${operations.address}/healthz`)).status).toBe(200)
  })
})
