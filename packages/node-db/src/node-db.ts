import {
  type Clock,
  checkOptionNames,
  type HostComponents,
  KumikoError,
  type NodeDatabase,
  nodeDatabaseSymbol,
  optionalComponent,
  type Part,
  type Random,
  systemClock,
} from '@kumiko/interface'
import type { ComponentLogger, Startable } from '@libp2p/interface'
import { defaultLogger } from '@libp2p/logger'
import type { Datastore } from 'interface-datastore'
import { Database } from './database.ts'
import { KnownNodes } from './known-nodes.ts'
import { LevelDatastore } from './level-datastore.ts'

/** Where the database is. */
export interface NodeDbOptions {
  /** A folder; made where it is missing. No other process can use it meanwhile. */
  readonly path: string
}

/** For a database that is opened by hand. */
export interface OpenNodeDbOptions extends NodeDbOptions {
  /** Default: js-libp2p's, which is silent unless `DEBUG` names it. */
  readonly logger?: ComponentLogger
  /** Default: the system's. */
  readonly clock?: Clock
  /** Picks seeds. Default `Math.random`. */
  readonly random?: Random
}

/** What {@link nodeDb} takes of its node. */
export type NodeDbNeeds = Pick<HostComponents, 'logger'> & Partial<Pick<HostComponents, 'clock' | 'random'>>

/**
 * A libp2p datastore that remembers nodes, too. It opens before the other parts of a node start, and closes after they have stopped; while it
 * is closed its methods reject with `node-db/not-open`, what is noted is lost, and there are no seeds.
 */
export interface NodeDb extends Datastore, Startable, AsyncDisposable {
  readonly path: string
  readonly [nodeDatabaseSymbol]: NodeDatabase
  /**
   * Does nothing where it is open already. A stopped one may be opened again.
   *
   * @throws KumikoError `node-db/in-use`, `node-db/not-accessible`.
   */
  open(): Promise<void>
  /** Writes what waits, and closes. Idempotent. */
  close(): Promise<void>
}

const OPTIONS: Readonly<Record<keyof NodeDbOptions, true>> = { path: true }

/**
 * A Host's datastore: `createHost({ datastore: nodeDb({ path }) })`. Its start fails with `node-db/in-use` or `node-db/not-accessible` as cause.
 *
 * @throws KumikoError `node-db/bad-option`.
 */
export function nodeDb(options: NodeDbOptions): Part<NodeDb, NodeDbNeeds> {
  checkOptionNames('node-db/bad-option', 'nodeDb', options, OPTIONS)
  checkPath(options.path)
  return (components) =>
    new LevelNodeDb(options.path, {
      logger: () => components.logger,
      clock: () => optionalComponent(components, 'clock') ?? systemClock,
      random: () => optionalComponent(components, 'random') ?? Math.random,
    })
}

/**
 * The same, open already: for js-libp2p (`createLibp2p({ datastore: await openNodeDb({ path }) })`), which takes no parts there, and for whoever
 * wants the folder's lock before anything else. The node that it is given to closes it when it stops.
 *
 * @throws KumikoError `node-db/bad-option`, `node-db/in-use`, `node-db/not-accessible`.
 */
export async function openNodeDb(options: OpenNodeDbOptions): Promise<NodeDb> {
  const { path, logger = defaultLogger(), clock = systemClock, random = Math.random } = options
  checkOptionNames('node-db/bad-option', 'openNodeDb', options, { ...OPTIONS, logger: true, clock: true, random: true })
  checkPath(path)
  const opened = new LevelNodeDb(path, { logger: () => logger, clock: () => clock, random: () => random })
  await opened.open()
  return opened
}

/** Read when it opens. */
interface Surroundings {
  logger(): ComponentLogger
  clock(): Clock
  random(): Random
}

/** What there is while it is open. */
interface Opened {
  readonly database: Database
  readonly nodes: KnownNodes
}

class LevelNodeDb extends LevelDatastore implements NodeDb {
  readonly path: string
  readonly #surroundings: Surroundings
  /** While it opens, too. */
  #opened: Promise<Opened> | undefined
  #nodes: KnownNodes | undefined
  #closing: Promise<void> | undefined

  constructor(path: string, surroundings: Surroundings) {
    super()
    this.path = path
    this.#surroundings = surroundings
  }

  readonly [nodeDatabaseSymbol]: NodeDatabase = {
    note: (protocol, node, facts) => this.#nodes?.note(protocol, node, facts),
    get: async (protocol, id) => (await this.#open()).nodes.get(protocol, id),
    seeds: async (protocol, count, ageMaxMs) => (await this.#nodes?.seeds(protocol, count, ageMaxMs)) ?? [],
  }

  async open(): Promise<void> {
    await this.#closing
    this.#opened ??= this.#begin()
    const opening = this.#opened
    try {
      this.#nodes = (await opening).nodes
    } catch (error) {
      if (this.#opened === opening) this.#opened = undefined
      throw error
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#end().finally(() => {
      this.#closing = undefined
    })
    return this.#closing
  }

  /** Before any part starts, so that each can use it in its own start. */
  beforeStart(): Promise<void> {
    return this.open()
  }

  start(): Promise<void> {
    return this.open()
  }

  /** What was noted is written; others still stop, and may write what they know. */
  async stop(): Promise<void> {
    await this.#nodes?.flush()
  }

  afterStop(): Promise<void> {
    return this.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  protected async database(): Promise<Database> {
    return (await this.#open()).database
  }

  #open(): Promise<Opened> {
    if (this.#opened !== undefined) return this.#opened
    const message = `node database "${this.path}" is not open: start its node, or open it with openNodeDb()`
    return Promise.reject(new KumikoError('node-db/not-open', message, { context: { path: this.path } }))
  }

  async #begin(): Promise<Opened> {
    const [clock, random] = [this.#surroundings.clock(), this.#surroundings.random()]
    const log = this.#surroundings.logger().forComponent('kumiko:node-db')
    const database = await Database.open({ path: this.path, log, now: () => clock.now() })
    return { database, nodes: new KnownNodes(database, { clock, random, log }) }
  }

  async #end(): Promise<void> {
    const opened = await this.#opened?.catch(() => undefined)
    this.#opened = undefined
    this.#nodes = undefined
    if (opened === undefined) return
    await opened.nodes.stop()
    await opened.database.close()
  }
}

function checkPath(path: unknown): void {
  if (typeof path === 'string' && path !== '') return
  throw new KumikoError('node-db/bad-option', `path ${JSON.stringify(path)} is no folder: give its name`, { context: { option: 'path' } })
}
