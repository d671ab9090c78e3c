import { chmod, chown, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KumikoError } from '@kumiko/interface'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { callNode } from './client.ts'
import { controlPath } from './endpoint.ts'
import { ControlServer, type RpcMethod } from './server.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kumiko-'))
})
afterEach(async () => {
  await rm(folder, { recursive: true })
})

const ended = Promise.withResolvers<unknown>()

const METHODS: Readonly<Record<string, RpcMethod>> = {
  echo: async (params) => params,
  count: async (params, { emit }) => {
    const { to } = z.object({ to: z.number() }).parse(params)
    for (let i = 1; i <= to; i++) emit(i)
    return undefined
  },
  fail: async () => {
    throw new KumikoError('test/broken', 'it is broken')
  },
  large: async () => 'x'.repeat(3 * 1024 * 1024),
  deaf: async () => await new Promise<never>(() => {}),
  wait: async (_params, { signal }) => {
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    ended.resolve(signal.aborted)
  },
}

async function serve(): Promise<ControlServer> {
  const server = new ControlServer(controlPath(folder), METHODS)
  await server.listen()
  return server
}

/** What the server says to raw lines, until there are so many answers. */
async function answers(text: string, count: number): Promise<unknown[]> {
  const socket = connect(controlPath(folder))
  let heard = ''
  socket.on('data', (chunk) => (heard += chunk))
  socket.write(text)
  await expect.poll(() => heard.split('\n').length - 1).toBe(count)
  socket.destroy()
  return heard
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

test('answers, tells values as they come, and says what went wrong by its code', async () => {
  await using _server = await serve()
  expect(await callNode(folder, 'echo', { a: [1, null] })).toEqual({ a: [1, null] })
  const values: unknown[] = []
  expect(await callNode(folder, 'count', { to: 3 }, { onValue: (value) => values.push(value) })).toBeNull()
  expect(values).toEqual([1, 2, 3])
  await expect(callNode(folder, 'fail', {})).rejects.toMatchObject({ code: 'test/broken', message: 'it is broken' })
  await expect(callNode(folder, 'count', { to: 'x' })).rejects.toMatchObject({ message: expect.stringMatching(/^to: /) })
  await expect(callNode(folder, 'toString', {})).rejects.toMatchObject({ message: 'there is no method toString' })
})

test('what is no request is answered as JSON-RPC has it, and the next one is served', async () => {
  await using _server = await serve()
  const got = await answers('{\n{"jsonrpc":"1.0"}\n\n{"jsonrpc":"2.0","id":7,"method":"echo"}\n', 3)
  expect(got).toEqual([
    { jsonrpc: '2.0', id: null, error: { code: -32_700, message: 'no JSON' } },
    { jsonrpc: '2.0', id: null, error: { code: -32_600, message: 'no request of JSON-RPC 2.0 with named params' } },
    { jsonrpc: '2.0', id: 7, result: {} },
  ])
})

test('a call ends when its client goes, and when the server does', async () => {
  const server = await serve()
  const stop = new AbortController()
  const call = callNode(folder, 'wait', {}, { signal: stop.signal })
  await callNode(folder, 'echo', {})
  stop.abort(new Error('stopped'))
  await expect(call).rejects.toThrow('stopped')
  expect(await ended.promise).toBe(true)
  const last = callNode(folder, 'wait', {}).catch((error: unknown) => error)
  await callNode(folder, 'echo', {})
  await server[Symbol.asyncDispose]()
  expect(await last).toMatchObject({ code: 'node/control-lost' })
  await expect(callNode(folder, 'echo', {})).rejects.toMatchObject({ code: 'node/not-running' })
})

test.skipIf(process.platform === 'win32')('the socket is its owner’s alone, and what a killed process left is taken over', async () => {
  await writeFile(controlPath(folder), '')
  await chmod(controlPath(folder), 0o666)
  await using _server = await serve()
  expect((await stat(controlPath(folder))).mode & 0o777).toBe(0o600)
})

test('a folder with a long path has its socket among the temporary files', () => {
  const deep = join(folder, 'x'.repeat(120))
  expect(controlPath(deep)).toMatch(process.platform === 'win32' ? /^\\\\/ : /\/kumiko-[0-9a-f]{24}\.ipc$/)
  expect(controlPath(deep)).toBe(controlPath(join(deep, 'a', '..')))
})

test('an answer may be longer than a request', async () => {
  await using _server = await serve()
  expect(await callNode(folder, 'large', {})).toHaveLength(3 * 1024 * 1024)
})

test('a call that does not end by itself keeps no server from stopping', async () => {
  const server = await serve()
  const call = callNode(folder, 'deaf', {}).catch((error: unknown) => error)
  await callNode(folder, 'echo', {})
  await server[Symbol.asyncDispose]()
  expect(await call).toMatchObject({ code: 'node/control-lost' })
})

test.skipIf(process.getuid?.() !== 0)('among the temporary files, a socket of somebody else is not spoken to', async () => {
  const deep = join(folder, 'x'.repeat(120))
  await mkdir(deep)
  await using server = new ControlServer(controlPath(deep), METHODS)
  await server.listen()
  expect(await callNode(deep, 'echo', { a: 1 })).toEqual({ a: 1 })
  await chown(controlPath(deep), 65_534, 65_534)
  await expect(callNode(deep, 'echo', {})).rejects.toMatchObject({ code: 'node/not-running' })
})
