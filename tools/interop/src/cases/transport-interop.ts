import { ok } from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Case } from '../case.ts'
import { trackChild } from '../foreign-child.ts'
import { goLibp2pProgram, withoutGoLibp2p } from '../go-build.ts'
import { type Libp2pTransport, withoutTransport } from '../libp2p-implementations.ts'
import { RespServer } from '../resp-server.ts'

interface Program {
  readonly name: string
  /** The command and its arguments. */
  command(): Promise<readonly string[]>
  prepare(): Promise<string | undefined>
}

const OURS: Program = scriptOf('kumiko', new URL('../transport-interop.ts', import.meta.url), ['--conditions=@kumiko/source'])
const JS3: Program = scriptOf('js-libp2p 3', new URL('../transport-interop-js.ts', import.meta.url), [])
const GO: Program = {
  name: 'go-libp2p',
  prepare: withoutGoLibp2p,
  command: async () => [(await goLibp2pProgram()) ?? ''],
}

/** Dialer and listener. */
const PAIRS: readonly (readonly [Program, Program])[] = [
  [OURS, OURS],
  [OURS, JS3],
  [JS3, OURS],
  [OURS, GO],
  [GO, OURS],
]

const COMBINATIONS: readonly { readonly transport: Libp2pTransport; readonly security: string; readonly muxer: string }[] = [
  { transport: 'tcp', security: 'noise', muxer: 'yamux' },
  { transport: 'tcp', security: 'tls', muxer: 'yamux' },
  { transport: 'ws', security: 'noise', muxer: 'yamux' },
  { transport: 'ws', security: 'tls', muxer: 'yamux' },
  { transport: 'quic-v1', security: '', muxer: '' },
]

const TIMEOUT_SECONDS = 20

/** The contract of libp2p's test-plans, transport-interop: two programs that know of one another by Redis alone. */
export const transportInteropCases: readonly Case[] = PAIRS.flatMap(([dialer, listener]) =>
  COMBINATIONS.map(({ transport, security, muxer }) => ({
    name: `${dialer.name} → ${listener.name}: transport-interop: ${[transport, security, muxer].filter((each) => each !== '').join(', ')}`,
    deadlineMs: 1000 * TIMEOUT_SECONDS + 5000,
    prepare: async () => (await dialer.prepare()) ?? (await listener.prepare()) ?? (await withoutTransport(transport)),
    run: async () => {
      await using redis = await RespServer.start()
      const env = {
        transport,
        security,
        muxer,
        ip: '127.0.0.1',
        redis_addr: redis.address,
        test_timeout_seconds: String(TIMEOUT_SECONDS),
      }
      const listening = start(await listener.command(), { ...env, is_dialer: 'false' })
      const dialing = start(await dialer.command(), { ...env, is_dialer: 'true' })
      const printed = await Promise.race([
        dialing.end,
        listening.end.then((text) => Promise.reject(new Error(`the listener has ended: ${text}`))),
      ])
      const { handshakePlusOneRTTMillis, pingRTTMilllis, ...rest } = JSON.parse(printed) as Record<string, unknown>
      ok(typeof pingRTTMilllis === 'number' && pingRTTMilllis >= 0, printed)
      ok(typeof handshakePlusOneRTTMillis === 'number' && handshakePlusOneRTTMillis >= pingRTTMilllis, printed)
      ok(Object.keys(rest).length === 0, printed)
      listening.child.kill()
      await listening.end.catch(() => {})
      return undefined
    },
  })),
)

function scriptOf(name: string, script: URL, flags: readonly string[]): Program {
  return { name, prepare: async () => undefined, command: async () => [process.execPath, ...flags, fileURLToPath(script)] }
}

interface Running {
  readonly child: ChildProcess
  /** What it prints until it ends. Rejects where it ends with an error. */
  readonly end: Promise<string>
}

function start([command = '', ...args]: readonly string[], env: Readonly<Record<string, string>>): Running {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
  trackChild(child)
  const printed: Buffer[] = []
  const complained: Buffer[] = []
  child.stdout.on('data', (chunk) => printed.push(chunk))
  child.stderr.on('data', (chunk) => complained.push(chunk))
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  child.once('error', reject)
  child.once('close', (code, signal) => {
    if (code === 0) resolve(Buffer.concat(printed).toString())
    else reject(new Error(`ended with ${signal ?? code}: ${Buffer.concat(complained)}`))
  })
  promise.catch(() => {}) // whom it concerns awaits it
  return { child, end: promise }
}
