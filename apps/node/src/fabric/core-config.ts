import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import { parseDuration } from '@kumiko/fabric-msp'
import { z } from 'zod'

const COUNT_MAX = 2 ** 31 - 1

/** As Go's `strconv.ParseBool`. */
const BOOLEANS: ReadonlyMap<unknown, boolean> = new Map([
  ...[true, '1', 't', 'T', 'TRUE', 'true', 'True'].map((text): [unknown, boolean] => [text, true]),
  ...[false, '0', 'f', 'F', 'FALSE', 'false', 'False'].map((text): [unknown, boolean] => [text, false]),
])

/** Where a delivery client goes instead of to an address that the channel's configuration names. */
export interface AddressOverride {
  readonly from: string
  readonly to: string
  /** Absolute; undefined: the certificates that the configuration names. */
  readonly caCertsFile: string | undefined
}

/** A program that builds and runs chaincode. @see Fabric `core/peer/config.go` ExternalBuilder */
export interface ExternalBuilderConfig {
  readonly name: string
  /** Absolute: of the folder that holds `bin/`. */
  readonly path: string
  /** Variables of ours that it sees. */
  readonly propagateEnvironment: readonly string[]
}

/** What of `core.yaml` the Fabric part uses, complete and checked, by Fabric's own names. Paths are absolute; undefined where none is given. */
export interface CoreConfig {
  readonly 'peer.id': string
  readonly 'peer.networkId': string
  /** Where the ledgers are. */
  readonly 'peer.fileSystemPath': string
  readonly 'peer.mspConfigPath': string | undefined
  readonly 'peer.localMspId': string
  readonly 'peer.localMspType': string
  readonly 'peer.listenAddress': string
  /** Where others of the organisation reach the peer; empty: where it listens. */
  readonly 'peer.address': string
  /** Empty: chaincode dials nobody. */
  readonly 'peer.chaincodeListenAddress': string
  /** Where chaincode reaches the peer; empty: where it listens. */
  readonly 'peer.chaincodeAddress': string
  /** Where other organisations reach the peer; empty: they do not know it. */
  readonly 'peer.gossip.externalEndpoint': string
  readonly 'peer.gossip.pvtData.transientstoreMaxBlockRetention': number
  readonly 'peer.keepalive.interval': number
  readonly 'peer.keepalive.timeout': number
  readonly 'peer.keepalive.minInterval': number
  readonly 'peer.authentication.timewindow': number
  readonly 'peer.maxRecvMsgSize': number
  /** 0: no limit. */
  readonly 'peer.limits.concurrency.endorserService': number
  readonly 'peer.limits.concurrency.deliverService': number
  readonly 'peer.limits.concurrency.gatewayService': number
  readonly 'peer.gateway.enabled': boolean
  readonly 'peer.gateway.endorsementTimeout': number
  readonly 'peer.gateway.broadcastTimeout': number
  readonly 'peer.profile.enabled': boolean
  readonly 'chaincode.mode': 'net' | 'dev'
  readonly 'chaincode.executetimeout': number
  readonly 'chaincode.startuptimeout': number
  /** Seconds. */
  readonly 'chaincode.keepalive': number
  readonly 'chaincode.externalBuilders': readonly ExternalBuilderConfig[]
  readonly 'operations.listenAddress': string
  readonly 'operations.tls.enabled': boolean
  readonly 'operations.tls.cert.file': string | undefined
  readonly 'operations.tls.key.file': string | undefined
  readonly 'operations.tls.clientAuthRequired': boolean
  readonly 'operations.tls.clientRootCAs.files': readonly string[]
  readonly 'metrics.provider': string
  readonly 'peer.tls.enabled': boolean
  readonly 'peer.tls.clientAuthRequired': boolean
  readonly 'peer.tls.cert.file': string | undefined
  readonly 'peer.tls.key.file': string | undefined
  readonly 'peer.tls.rootcert.file': string | undefined
  readonly 'peer.tls.clientRootCAs.files': readonly string[]
  readonly 'peer.tls.clientCert.file': string | undefined
  readonly 'peer.tls.clientKey.file': string | undefined
  readonly 'peer.tls.serverhostoverride': string | undefined
  /** Validating workers; 0: as many as the machine has cores. */
  readonly 'peer.validatorPoolSize': number
  /** In ms, as all durations here. */
  readonly 'peer.deliveryclient.reconnectTotalTimeThreshold': number
  readonly 'peer.deliveryclient.connTimeout': number
  readonly 'peer.deliveryclient.reConnectBackoffThreshold': number
  readonly 'peer.deliveryclient.addressOverrides': readonly AddressOverride[]
  readonly 'ledger.state.stateDatabase': 'goleveldb' | 'CouchDB'
  readonly 'ledger.state.totalQueryLimit': number
  readonly 'ledger.state.couchDBConfig.couchDBAddress': string
  readonly 'ledger.state.couchDBConfig.username': string
  readonly 'ledger.state.couchDBConfig.password': string
  readonly 'ledger.state.couchDBConfig.maxRetries': number
  readonly 'ledger.state.couchDBConfig.maxRetriesOnStartup': number
  readonly 'ledger.state.couchDBConfig.requestTimeout': number
  readonly 'ledger.state.couchDBConfig.internalQueryLimit': number
  readonly 'ledger.state.couchDBConfig.maxBatchUpdateSize': number
  /** MiB. */
  readonly 'ledger.state.couchDBConfig.cacheSize': number
  readonly 'ledger.state.couchDBConfig.createGlobalChangesDB': boolean
  readonly 'ledger.history.enableHistoryDatabase': boolean
  readonly 'ledger.pvtdataStore.collElgProcMaxDbBatchSize': number
  readonly 'ledger.pvtdataStore.collElgProcDbBatchesInterval': number
  readonly 'ledger.pvtdataStore.deprioritizedDataReconcilerInterval': number
  readonly 'ledger.pvtdataStore.purgeInterval': number
  readonly 'ledger.pvtdataStore.purgedKeyAuditLogging': boolean
  readonly 'ledger.snapshots.rootDir': string
}

/** What the paths and defaults of a {@link CoreConfig} depend on. */
export interface CorePlace {
  /** Where relative paths begin: the folder of `core.yaml`. */
  readonly folder: string
  /** Where no `peer.fileSystemPath` is given. Absolute. */
  readonly dataFolder: string
}

/** A reader of the values that YAML or the environment give for the keys. Keys that are not in it are dropped. */
export function coreSchema({ folder, dataFolder }: CorePlace): z.ZodType<CoreConfig> {
  return z.object(shape(folder, dataFolder)).transform((read) => ({
    ...read,
    'peer.validatorPoolSize': read['peer.validatorPoolSize'] || availableParallelism(),
    'ledger.snapshots.rootDir': read['ledger.snapshots.rootDir'] ?? join(read['peer.fileSystemPath'], 'snapshots'),
  }))
}

/** The keys that are used. */
export const CORE_KEYS: readonly string[] = Object.keys(shape('', ''))

/** The defaults are those of Fabric 2.5, in its sample file or, where that has none, its code. */
function shape(folder: string, dataFolder: string) {
  const path = pathIn(folder)
  return {
    'peer.id': text('jdoe'),
    'peer.networkId': text('dev'),
    'peer.fileSystemPath': path.transform((given) => given ?? dataFolder),
    'peer.mspConfigPath': path,
    'peer.localMspId': text('SampleOrg'),
    'peer.localMspType': text('bccsp'),
    'peer.listenAddress': text('0.0.0.0:7051'),
    'peer.address': text(''),
    'peer.chaincodeListenAddress': text('0.0.0.0:7052'),
    'peer.chaincodeAddress': text(''),
    'peer.gossip.externalEndpoint': text(''),
    'peer.gossip.pvtData.transientstoreMaxBlockRetention': wholeNumber(1, COUNT_MAX, 1000),
    'peer.keepalive.interval': duration('7200s'),
    'peer.keepalive.timeout': duration('20s'),
    'peer.keepalive.minInterval': duration('60s'),
    'peer.authentication.timewindow': duration('15m'),
    'peer.maxRecvMsgSize': wholeNumber(1, COUNT_MAX, 104_857_600),
    'peer.limits.concurrency.endorserService': wholeNumber(0, COUNT_MAX, 2500),
    'peer.limits.concurrency.deliverService': wholeNumber(0, COUNT_MAX, 2500),
    'peer.limits.concurrency.gatewayService': wholeNumber(0, COUNT_MAX, 500),
    'peer.gateway.enabled': flag(true),
    'peer.gateway.endorsementTimeout': duration('30s'),
    'peer.gateway.broadcastTimeout': duration('30s'),
    'peer.profile.enabled': flag(false),
    'chaincode.mode': z.enum(['net', 'dev'], { error: want('net or dev') }).default('net'),
    'chaincode.executetimeout': duration('30s'),
    'chaincode.startuptimeout': duration('300s'),
    'chaincode.keepalive': wholeNumber(0, COUNT_MAX, 0),
    'chaincode.externalBuilders': buildersIn(folder),
    'operations.listenAddress': text('127.0.0.1:9443'),
    'operations.tls.enabled': flag(false),
    'operations.tls.cert.file': path,
    'operations.tls.key.file': path,
    'operations.tls.clientAuthRequired': flag(false),
    'operations.tls.clientRootCAs.files': pathsIn(folder),
    'metrics.provider': text('disabled'),
    'peer.tls.enabled': flag(false),
    'peer.tls.clientAuthRequired': flag(false),
    'peer.tls.cert.file': path,
    'peer.tls.key.file': path,
    'peer.tls.rootcert.file': path,
    'peer.tls.clientRootCAs.files': pathsIn(folder),
    'peer.tls.clientCert.file': path,
    'peer.tls.clientKey.file': path,
    'peer.tls.serverhostoverride': text('').transform((name) => (name === '' ? undefined : name)),
    'peer.validatorPoolSize': wholeNumber(0, 1024, 0),
    'peer.deliveryclient.reconnectTotalTimeThreshold': duration('3600s'),
    'peer.deliveryclient.connTimeout': duration('3s'),
    'peer.deliveryclient.reConnectBackoffThreshold': duration('3600s'),
    'peer.deliveryclient.addressOverrides': overridesIn(folder),
    'ledger.state.stateDatabase': z.enum(['goleveldb', 'CouchDB'], { error: want('goleveldb or CouchDB') }).default('goleveldb'),
    'ledger.state.totalQueryLimit': wholeNumber(1, COUNT_MAX, 100_000),
    'ledger.state.couchDBConfig.couchDBAddress': text('127.0.0.1:5984'),
    'ledger.state.couchDBConfig.username': text(''),
    'ledger.state.couchDBConfig.password': text(''),
    'ledger.state.couchDBConfig.maxRetries': wholeNumber(0, COUNT_MAX, 3),
    'ledger.state.couchDBConfig.maxRetriesOnStartup': wholeNumber(0, COUNT_MAX, 10),
    'ledger.state.couchDBConfig.requestTimeout': duration('35s'),
    'ledger.state.couchDBConfig.internalQueryLimit': wholeNumber(1, COUNT_MAX, 1000),
    'ledger.state.couchDBConfig.maxBatchUpdateSize': wholeNumber(1, COUNT_MAX, 1000),
    'ledger.state.couchDBConfig.cacheSize': wholeNumber(0, COUNT_MAX, 64),
    'ledger.state.couchDBConfig.createGlobalChangesDB': flag(false),
    'ledger.history.enableHistoryDatabase': flag(true),
    'ledger.pvtdataStore.collElgProcMaxDbBatchSize': wholeNumber(1, COUNT_MAX, 5000),
    'ledger.pvtdataStore.collElgProcDbBatchesInterval': wholeNumber(1, COUNT_MAX, 1000),
    'ledger.pvtdataStore.deprioritizedDataReconcilerInterval': duration('60m'),
    'ledger.pvtdataStore.purgeInterval': wholeNumber(1, COUNT_MAX, 100),
    'ledger.pvtdataStore.purgedKeyAuditLogging': flag(true),
    'ledger.snapshots.rootDir': path,
  } satisfies Record<keyof CoreConfig, z.ZodType>
}

function want(what: string): (issue: { readonly input: unknown }) => string {
  return ({ input }) => `want ${what}, not ${shown(input)}`
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}

/** A value that `read` makes something of; the default where nothing is said. */
function readAs<T>(what: string, initial: T, read: (value: unknown) => T | undefined): z.ZodType<T> {
  return z.unknown().transform((value, context) => {
    if (value === undefined) return initial
    const made = read(value)
    if (made !== undefined) return made
    context.addIssue({ code: 'custom', message: want(what)({ input: value }) })
    return z.NEVER
  })
}

function text(initial: string): z.ZodType<string> {
  return readAs('text', initial, textOf)
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value)
  return typeof value === 'string' && !value.includes('\0') ? value : undefined
}

function flag(initial: boolean): z.ZodType<boolean> {
  return readAs('true or false', initial, (value) => BOOLEANS.get(value))
}

function wholeNumber(min: number, max: number, initial: number): z.ZodType<number> {
  return readAs(`a whole number from ${min} to ${max}`, initial, (value) => {
    const number = typeof value === 'string' && /^\d{1,16}$/.test(value.trim()) ? Number(value) : value
    return typeof number === 'number' && Number.isInteger(number) && number >= min && number <= max ? number : undefined
  })
}

/** In ms. A bare number counts nanoseconds, as in Go. */
function duration(initial: string): z.ZodType<number> {
  return readAs('a duration as 30s or 1h30m', parseDuration(initial) ?? 0, (value) => {
    const isBare = typeof value === 'number' || (typeof value === 'string' && /^\d+$/.test(value))
    const ms = isBare ? Number(value) / 1e6 : parseDuration(String(value))
    return ms !== undefined && ms >= 0 ? ms : undefined
  })
}

function pathIn(folder: string): z.ZodType<string | undefined> {
  return text('').transform((given) => (given === '' ? undefined : resolve(folder, given)))
}

/** A list; as text, parted by blanks. */
function pathsIn(folder: string): z.ZodType<readonly string[]> {
  return readAs<readonly string[]>('a list of paths', [], (value) => {
    const items: readonly unknown[] = Array.isArray(value) ? value : typeof value === 'string' ? value.split(/\s+/) : [undefined]
    const paths = items.map(textOf)
    return paths.includes(undefined) ? undefined : paths.flatMap((item) => (item ? [resolve(folder, item)] : []))
  })
}

function overridesIn(folder: string): z.ZodType<readonly AddressOverride[]> {
  return readAs<readonly AddressOverride[]>('a list of from, to, caCertsFile', [], (value) => {
    if (!Array.isArray(value)) return undefined
    const overrides = value.flatMap((item) => overrideOf(item, folder) ?? [])
    return overrides.length === value.length ? overrides : undefined
  })
}

/** Names of keys are in any case. */
function overrideOf(item: unknown, folder: string): AddressOverride | undefined {
  if (typeof item !== 'object' || item === null) return undefined
  const fields = new Map(Object.entries(item).map(([name, value]) => [name.toLowerCase(), textOf(value)]))
  const [from, to, file] = [fields.get('from'), fields.get('to'), fields.get('cacertsfile')]
  if (!from || !to) return undefined
  return { from, to, caCertsFile: file ? resolve(folder, file) : undefined }
}

function buildersIn(folder: string): z.ZodType<readonly ExternalBuilderConfig[]> {
  return readAs<readonly ExternalBuilderConfig[]>('a list of name, path, propagateEnvironment', [], (value) => {
    if (!Array.isArray(value)) return undefined
    const builders = value.flatMap((item) => builderOf(item, folder) ?? [])
    return builders.length === value.length ? builders : undefined
  })
}

function builderOf(item: unknown, folder: string): ExternalBuilderConfig | undefined {
  if (typeof item !== 'object' || item === null) return undefined
  const fields = new Map(Object.entries(item).map(([name, value]): [string, unknown] => [name.toLowerCase(), value]))
  const [name, path] = [textOf(fields.get('name')), textOf(fields.get('path'))]
  const propagated: unknown = fields.get('propagateenvironment') ?? fields.get('environmentwhitelist') ?? []
  if (!path || !Array.isArray(propagated)) return undefined
  const variables = propagated.flatMap((each) => textOf(each) ?? [])
  return { name: name || path, path: resolve(folder, path), propagateEnvironment: variables }
}
