import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdir, open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { freePorts } from '@kumiko/testkit'
import { trackChild } from '../foreign-child.ts'

const run = promisify(execFile)

/** Debian has it where root alone looks for commands. */
const COMMANDS = ['nats-server', '/usr/sbin/nats-server']

/** How to start `nats-server`; undefined where it is not installed. */
export async function natsCommand(): Promise<string | undefined> {
  for (const command of COMMANDS) {
    const version = await run(command, ['--version']).catch(() => undefined)
    if (version !== undefined) return command
  }
  return
}

/** As `/jsz` tells of it. */
interface ServerStreams {
  readonly account_details?: readonly { readonly stream_detail?: readonly { readonly cluster?: { readonly leader?: string } }[] }[]
}

/** A server of a cluster: it can be killed and started again, with its files. */
export class NatsServer {
  readonly name: string
  /** `host:port` for clients. */
  readonly address: string
  readonly #command: string
  readonly #folder: string
  readonly #monitorPort: number
  #child: ChildProcess | undefined

  constructor(command: string, folder: string, name: string, address: string, monitorPort: number) {
    this.name = name
    this.#command = command
    this.#folder = folder
    this.address = address
    this.#monitorPort = monitorPort
  }

  async start(): Promise<void> {
    const log = await open(join(this.#folder, 'log'), 'a')
    this.#child = spawn(this.#command, ['-c', join(this.#folder, 'nats.conf')], { stdio: ['ignore', log.fd, log.fd] })
    trackChild(this.#child)
    await log.close()
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
  }

  /** Waits until it has all that the others have. */
  async healthy(timeoutMs: number): Promise<void> {
    const deadline = performance.now() + timeoutMs
    for (let why = ''; ; ) {
      const response = await fetch(`http://127.0.0.1:${this.#monitorPort}/healthz`).catch((error: unknown) => String(error))
      if (typeof response !== 'string' && response.ok) return
      why = typeof response === 'string' ? response : await response.text()
      if (performance.now() > deadline) throw new Error(`${this.address} is not healthy: ${why}; ${await this.#lastWords()}`)
      await delay(100)
    }
  }

  /** The name of the server that leads its streams, of which there is one; undefined where none does. */
  async leader(): Promise<string | undefined> {
    const response = await fetch(`http://127.0.0.1:${this.#monitorPort}/jsz?streams=true`)
    const { account_details: accounts } = (await response.json()) as ServerStreams
    return accounts?.[0]?.stream_detail?.[0]?.cluster?.leader
  }

  async #lastWords(): Promise<string> {
    const text = await readFile(join(this.#folder, 'log'), 'utf8')
    return text.split('\n').slice(-8).join(' | ')
  }
}

/** Starts one server with JetStream, on loopback. @param settings - More lines of its configuration. */
export async function startNats(command: string, folder: string, settings: string): Promise<NatsServer> {
  const [port = 0, monitor = 0] = await freePorts(2)
  const home = join(folder, 'nats')
  await mkdir(home, { recursive: true })
  await writeFile(
    join(home, 'nats.conf'),
    `listen: 127.0.0.1:${port}\nhttp: 127.0.0.1:${monitor}\njetstream { store_dir: "${home}" }\n${settings}\n`,
  )
  const server = new NatsServer(command, home, 'nats', `127.0.0.1:${port}`, monitor)
  await server.start()
  return server
}

/** Starts three servers of one cluster with JetStream, on loopback. @param folder - For their files. */
export async function startNatsCluster(command: string, folder: string): Promise<NatsServer[]> {
  const ports = await freePorts(9)
  const [clients, routes, monitors] = [ports.slice(0, 3), ports.slice(3, 6), ports.slice(6)]
  const servers: NatsServer[] = []
  for (const [at, port] of clients.entries()) {
    const home = join(folder, `nats-${at}`)
    await mkdir(home, { recursive: true })
    await writeFile(
      join(home, 'nats.conf'),
      `server_name: nats-${at}
listen: 127.0.0.1:${port}
http: 127.0.0.1:${monitors[at]}
max_payload: 16MB
jetstream { store_dir: "${home}", max_file_store: 2GB, max_memory_store: 64MB }
cluster { name: orderers, listen: 127.0.0.1:${routes[at]}, routes: [${routes.map((route) => `"nats://127.0.0.1:${route}"`).join(', ')}] }
`,
    )
    servers.push(new NatsServer(command, home, `nats-${at}`, `127.0.0.1:${port}`, monitors[at] ?? 0))
  }
  await Promise.all(servers.map((server) => server.start()))
  return servers
}
