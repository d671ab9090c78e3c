import { X509Certificate } from 'node:crypto'
import { resolve } from 'node:path'
import type { Endpoint } from '@kumiko/fabric-grpc'
import { z } from 'zod'
import { ConfigError } from '../config/config-error.ts'
import { type ConfigFile, readConfigFile } from '../config/config-file.ts'
import type { CoreConfig } from '../fabric/core-config.ts'
import { readPem } from '../fabric/tls-files.ts'
import { UsageError } from '../failure.ts'

/** Which peers of a profile are meant. */
export interface PeerWish {
  /** Undefined: what is asked is of no channel. */
  readonly channelId: string | undefined
  /** This one alone. */
  readonly targetPeer: string | undefined
  /** Whether those of other organisations have nothing to say to it. */
  readonly isOwnOnly: boolean
}

/**
 * A connection profile, in YAML or JSON: which nodes a network has, and how they are reached.
 * @see Fabric `internal/peer/common/networkconfig.go`, and fabric-sdk-node's "common connection profile"
 */
export class ConnectionProfile {
  readonly #file: ConfigFile
  readonly #content: Content

  private constructor(file: ConfigFile, content: Content) {
    this.#file = file
    this.#content = content
  }

  /** @throws KumikoError `node/unreadable-config`; ConfigError with all that is wrong. */
  static async load(path: string): Promise<ConnectionProfile> {
    const file = await readConfigFile(path)
    const { data, error } = PROFILE.safeParse(file.value)
    if (error !== undefined)
      throw new ConfigError(error.issues.map((issue) => ({ ...placeOf(file, issue.path), message: issue.message, isUsage: false })))
    return new ConnectionProfile(file, data)
  }

  /**
   * The peers that are meant: of a channel those that endorse, or all of the profile where it does not say which a channel has. Those of the client's own
   * organisation come first.
   * @throws ConfigError where there are none, or one is not described; UsageError where it is to be said which.
   */
  async peers({ channelId, targetPeer, isOwnOnly }: PeerWish, core: CoreConfig): Promise<readonly Endpoint[]> {
    if (targetPeer !== undefined) return [await this.#endpoint('peers', targetPeer, core)]
    const { client, organizations = {}, peers = {} } = this.#content
    const ofChannel = Object.entries(this.#channel(channelId)?.peers ?? {})
    const all =
      ofChannel.length === 0 ? Object.keys(peers) : ofChannel.flatMap(([name, role]) => (role?.endorsingPeer === false ? [] : name))
    const own = entryOf(organizations, client?.organization ?? '')?.peers
    const names = [...all.filter((name) => own?.includes(name)), ...(isOwnOnly && own ? [] : all.filter((name) => !own?.includes(name)))]
    if (names.length === 0)
      throw this.#fault(ofChannel.length === 0 ? ['peers'] : ['channels', channelId ?? '', 'peers'], 'want a peer that endorses')
    if (channelId === undefined && names.length > 1)
      throw new UsageError(`--targetPeer must be specified for channel-less operation using connection profile: ${names.join(', ')}`)
    return await Promise.all(names.map((name) => this.#endpoint('peers', name, core)))
  }

  /** The orderers of a channel; all where the profile does not say which a channel has. @throws As {@link peers}. */
  async orderers(channelId: string, core: CoreConfig): Promise<readonly Endpoint[]> {
    const names = this.#channel(channelId)?.orderers ?? Object.keys(this.#content.orderers ?? {})
    return await Promise.all(names.map((name) => this.#endpoint('orderers', name, core)))
  }

  #channel(channelId: string | undefined): Channel | undefined {
    const { channels } = this.#content
    if (channels === undefined || channelId === undefined) return undefined
    const channel = entryOf(channels, channelId)
    if (channel !== undefined) return channel
    throw this.#fault(
      ['channels'],
      `want channel "${channelId}", not only ${Object.keys(channels).join(', ')}: add it, or name another with -C`,
    )
  }

  async #endpoint(kind: 'peers' | 'orderers', name: string, core: CoreConfig): Promise<Endpoint> {
    const nodes = this.#content[kind] ?? {}
    const node = entryOf(nodes, name)
    if (node === undefined)
      throw this.#fault([kind], `want "${name}", not only ${Object.keys(nodes).join(', ')}: say there how it is reached`)
    const [, scheme, address = ''] = NODE_URL.exec(node.url) ?? []
    const isTls = scheme === undefined ? core['peer.tls.enabled'] : scheme === 'grpcs'
    if (!isTls) return { address }
    const options = node.grpcOptions
    const serverNameOverride = options?.['ssl-target-name-override'] ?? options?.hostnameOverride
    const roots = await this.#roots([kind, name, 'tlsCACerts'], node.tlsCACerts, core)
    return { address, tlsRoots: [roots], ...(serverNameOverride && { serverNameOverride }) }
  }

  async #roots(at: readonly string[], given: Certificates | undefined, core: CoreConfig): Promise<Uint8Array> {
    const path = given?.path ?? (given?.pem === undefined ? core['peer.tls.rootcert.file'] : undefined)
    if (given?.pem === undefined && path === undefined)
      throw this.#fault(at, "want the TLS CA's certificate: its path, or it itself as pem")
    try {
      const pem = path === undefined ? new TextEncoder().encode([given?.pem].flat().join('\n')) : await readPem(resolve(path))
      new X509Certificate(pem)
      return pem
    } catch (cause) {
      const isPem = cause instanceof Error && 'code' in cause && cause.code === 'node/unreadable-file'
      const why = isPem ? cause.message : `want a certificate as PEM${path === undefined ? '' : ` in ${resolve(path)}`}`
      throw this.#fault(at, why)
    }
  }

  #fault(at: readonly string[], message: string): ConfigError {
    return new ConfigError([{ ...placeOf(this.#file, at), message, isUsage: false }])
  }
}

/** A node's; `grpcs` is with TLS, `grpc` without, and a bare address as `peer.tls.enabled` has it. */
const NODE_URL = /^(?:(grpcs?):\/\/)?((?:\[[^\]]+\]|[^:/\s]+):(\d{1,5}))\/?$/

const TEXT = z.string(want('text'))
const NAMES = z.array(TEXT, want('a list of names'))
const CERTIFICATES = fields({ path: given(TEXT), pem: given(z.union([TEXT, z.array(TEXT)], want('a certificate'))) })
const NODE = fields({
  url: z.string(want('grpcs://host:port')).refine(hasPort, want('grpcs://host:port')),
  tlsCACerts: given(CERTIFICATES),
  grpcOptions: given(fields({ 'ssl-target-name-override': given(TEXT), hostnameOverride: given(TEXT) })),
})
const CHANNEL = fields({
  orderers: given(NAMES),
  peers: given(named(given(fields({ endorsingPeer: given(z.boolean(want('true or false'))) })))),
})
const PROFILE = fields({
  client: given(fields({ organization: given(TEXT) })),
  channels: given(named(CHANNEL)),
  organizations: given(named(fields({ peers: given(NAMES) }))),
  peers: given(named(NODE)),
  orderers: given(named(NODE)),
})

type Certificates = z.infer<typeof CERTIFICATES>
type Channel = z.infer<typeof CHANNEL>
type Content = z.infer<typeof PROFILE>

function hasPort(url: string): boolean {
  const port = Number(NODE_URL.exec(url)?.[3])
  return port >= 1 && port <= 65_535
}

/** What need not be there: in YAML, a key without a value says as little as none. */
function given<T extends z.ZodType>(type: T) {
  return type.nullish().transform((value) => value ?? undefined)
}

/** What else is there is of no use to us. */
function fields<T extends z.ZodRawShape>(shape: T) {
  return z.object(shape, want('keys and values'))
}

function named<T extends z.ZodType>(type: T) {
  return z.record(z.string(), type, want('keys and values'))
}

function want(what: string): { readonly error: (issue: { readonly input?: unknown }) => string } {
  return {
    error: ({ input }) =>
      input === undefined ? `want ${what}: it is missing` : `want ${what}, not ${(JSON.stringify(input) ?? '').slice(0, 80)}`,
  }
}

function placeOf(file: ConfigFile, path: readonly PropertyKey[]): { readonly origin: string; readonly path: string } {
  return { origin: file.originOf(path), path: path.map(String).join('.') }
}

function entryOf<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined
}
