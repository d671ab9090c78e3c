import type { ClientTls, Endpoint } from '@kumiko/fabric-grpc'
import { parseDuration } from '@kumiko/fabric-msp'
import { type Fault, isFault } from '@kumiko/interface'
import { parseJson } from '../packages/chaincode-package.ts'

/** A chaincode that serves: the peer dials it. */
export interface ChaincodeServer {
  readonly endpoint: Endpoint
  /** Undefined where it asks for none. */
  readonly clientTls?: ClientTls
  /** How long dialing may take. */
  readonly dialTimeoutMs: number
}

/** @see Fabric `core/container/externalbuilder/instance.go` DialTimeout */
const DIAL_TIMEOUT_MS = 3000

/**
 * Reads a `connection.json`, as packages of type `ccaas` bring it and external builders release it. Certificates and keys in it are PEM.
 * @returns `fabric-chaincode/bad-connection`, with Fabric's words.
 * @see Fabric `core/container/externalbuilder/instance.go` ChaincodeServerUserData
 */
export function readChaincodeServer(source: Uint8Array): ChaincodeServer | Fault {
  const json = parseJson(source)
  if (json === undefined) return badConnection('malformed chaincode info: it is no JSON object')
  const problem = typesProblem(json)
  if (problem !== undefined) return badConnection(`malformed chaincode info: ${problem}`)
  const text = (name: string): string => String(json.get(name) ?? '')
  const address = text('address')
  if (address === '') return badConnection('chaincode address not provided')
  const dialTimeoutMs = dialTimeoutOf(json.get('dial_timeout'))
  if (dialTimeoutMs === undefined) return badConnection('malformed chaincode info: invalid duration')
  if (json.get('tls_required') !== true) return { endpoint: { address }, dialTimeoutMs }
  const clientTls = json.get('client_auth_required') === true ? clientTlsOf(text('client_cert'), text('client_key')) : undefined
  if (isFault(clientTls)) return clientTls
  if (text('root_cert') === '') return badConnection('chaincode tls root cert not provided')
  const tlsRoots = [bytesOf(text('root_cert'))]
  if (clientTls === undefined) return { endpoint: { address, tlsRoots }, dialTimeoutMs }
  // Fabric looks at the domain here alone.
  const domain = text('domain')
  return { endpoint: { address, tlsRoots, ...(domain !== '' && { serverNameOverride: domain }) }, clientTls, dialTimeoutMs }
}

const TEXTS = ['address', 'domain', 'client_key', 'client_cert', 'root_cert'] as const
const CLAIMS = ['tls_required', 'client_auth_required'] as const

function typesProblem(json: ReadonlyMap<string, unknown>): string | undefined {
  const isGiven = (name: string): boolean => (json.get(name) ?? undefined) !== undefined
  const notText = TEXTS.find((name) => isGiven(name) && typeof json.get(name) !== 'string')
  if (notText !== undefined) return `${notText} is no text`
  const notClaim = CLAIMS.find((name) => isGiven(name) && typeof json.get(name) !== 'boolean')
  return notClaim && `${notClaim} is neither true nor false`
}

/** A text as Go writes durations, or nanoseconds. None, empty or 0 is the default. */
function dialTimeoutOf(value: unknown): number | undefined {
  if (value === undefined || value === null || value === '') return DIAL_TIMEOUT_MS
  const read = typeof value === 'string' ? parseDuration(value) : typeof value === 'number' ? value / 1e6 : undefined
  if (read === undefined || read < 0) return
  return read === 0 ? DIAL_TIMEOUT_MS : read
}

function clientTlsOf(certificate: string, privateKey: string): ClientTls | Fault {
  if (privateKey === '') return badConnection('chaincode tls key not provided')
  if (certificate === '') return badConnection('chaincode tls cert not provided')
  return { certificate: bytesOf(certificate), privateKey: bytesOf(privateKey) }
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

function badConnection(detail: string): Fault {
  return { fault: 'fabric-chaincode/bad-connection', detail: detail.slice(0, 200) }
}
