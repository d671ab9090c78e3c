import type { ClientTls, Endpoint } from '@kumiko/fabric-grpc'
import { parseDuration } from '@kumiko/fabric-msp'
import { KumikoError } from '@kumiko/interface'

/** Where a chaincode serves, and how to get there. */
export interface ChaincodeServer {
  readonly endpoint: Endpoint
  /** Where it asks for a certificate. */
  readonly clientTls?: ClientTls
  /** Default 3 s, as in Fabric. */
  readonly dialTimeoutMs?: number
}

type Fields = Readonly<Record<string, unknown>>

/**
 * Reads the `connection.json` of a package for chaincode as a service.
 * @throws KumikoError `fabric-chaincode/bad-connection`, with Fabric's words.
 * @see Fabric `core/container/externalbuilder/instance.go` ChaincodeServerUserData
 */
export function readConnectionFile(text: string): ChaincodeServer {
  const fields = fieldsOf(text)
  const address = textOf(fields, 'address')
  if (address === '') throw bad('chaincode address not provided')
  const dialTimeoutMs = durationOf(fields)
  const common = dialTimeoutMs > 0 ? { dialTimeoutMs } : {}
  if (fields.tls_required !== true) return { endpoint: { address }, ...common }
  const clientTls = fields.client_auth_required === true ? clientTlsOf(fields) : undefined
  const [root, domain] = [textOf(fields, 'root_cert'), textOf(fields, 'domain')]
  if (root === '') throw bad('chaincode tls root cert not provided')
  const endpoint = { address, tlsRoots: [bytesOf(root)], ...(domain !== '' && { serverNameOverride: domain }) }
  return { endpoint, ...common, ...(clientTls && { clientTls }) }
}

function clientTlsOf(fields: Fields): ClientTls {
  const [key, certificate] = [textOf(fields, 'client_key'), textOf(fields, 'client_cert')]
  if (key === '') throw bad('chaincode tls key not provided')
  if (certificate === '') throw bad('chaincode tls cert not provided')
  return { certificate: bytesOf(certificate), privateKey: bytesOf(key) }
}

function fieldsOf(text: string): Fields {
  try {
    const value: unknown = JSON.parse(text)
    // An object: its fields are looked at one by one.
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields
  } catch (cause) {
    throw bad(`malformed chaincode info: ${cause instanceof Error ? cause.message : cause}`, cause)
  }
  throw bad('malformed chaincode info: it is no object')
}

function textOf(fields: Fields, name: string): string {
  const value = fields[name] ?? ''
  if (typeof value !== 'string') throw bad(`malformed chaincode info: ${name} is no text`)
  return value
}

/** `"10s"`, or nanoseconds; 0 where it is not given. */
function durationOf({ dial_timeout: value = 0 }: Fields): number {
  if (typeof value === 'number') return value / 1_000_000
  const durationMs = typeof value === 'string' ? parseDuration(value) : undefined
  if (durationMs === undefined) throw bad('malformed chaincode info: invalid duration')
  return durationMs
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

function bad(words: string, cause?: unknown): KumikoError {
  return new KumikoError('fabric-chaincode/bad-connection', words, { cause })
}
