import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { checkServerIdentity, connect as connectTls, type TLSSocket } from 'node:tls'
import type { Endpoint } from '@kumiko/fabric-grpc'
import { codeOf } from '@kumiko/interface'

const TIMEOUT_MS = 3000

/**
 * Looks for what is in the way of a connection that failed, by making another: gRPC does not tell.
 * @returns In words, with the mend; undefined where nothing is found.
 */
export async function connectionProblem(endpoint: Endpoint): Promise<string | undefined> {
  const { address } = endpoint
  const at = address.lastIndexOf(':')
  const target = { host: address.slice(0, at).replace(/^\[(.*)\]$/, '$1'), port: Number(address.slice(at + 1)), timeout: TIMEOUT_MS }
  const tcp = connectTcp(target)
  const refusal = await ended(tcp, 'connect')
  tcp.destroy()
  if (refusal !== undefined) return `nobody answers there (${refusal}): see that it runs, and that host and port are right`
  const name = endpoint.serverNameOverride ?? target.host
  const tls = connectTls({
    ...target,
    rejectUnauthorized: false,
    ALPNProtocols: ['h2'],
    ...(endpoint.tlsRoots && { ca: endpoint.tlsRoots.map((root) => Buffer.from(root)) }),
    ...(isIP(name) === 0 && { servername: name }),
    checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate),
  })
  try {
    const failure = await ended(tls, 'secureConnect')
    return endpoint.tlsRoots === undefined ? withoutTls(failure) : withTls(tls, failure, name)
  } finally {
    tls.destroy()
  }
}

function withoutTls(failure: string | undefined): string | undefined {
  return failure === undefined
    ? 'it wants TLS: set CORE_PEER_TLS_ENABLED=true, or --tls, and name its CA with CORE_PEER_TLS_ROOTCERT_FILE, or --cafile'
    : undefined
}

function withTls(socket: TLSSocket, failure: string | undefined, name: string): string | undefined {
  if (failure !== undefined) {
    return failure.includes('ALERT')
      ? `it refuses our TLS (${failure}): see that it is the service that is meant`
      : 'it has no TLS: set CORE_PEER_TLS_ENABLED=false, or leave --tls out'
  }
  if (socket.authorized) return
  const { issuer, subjectaltname = 'no name' } = socket.getPeerCertificate()
  const code = codeOf(socket.authorizationError) ?? String(socket.authorizationError)
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return `its certificate is for ${subjectaltname}, not for ${name}: use such a name, or CORE_PEER_TLS_SERVERHOSTOVERRIDE, or --ordererTLSHostnameOverride`
  const mend = 'name its CA with CORE_PEER_TLS_ROOTCERT_FILE, --cafile or --tlsRootCertFiles'
  return `its certificate is of "${issuer?.CN ?? issuer?.O ?? ''}", which is not vouched for by the CA that is named (${code}): ${mend}`
}

/** @returns What came instead of the event. */
async function ended(socket: Socket, event: 'connect' | 'secureConnect'): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  socket.once(event, () => resolve(undefined))
  socket.on('error', (error) => resolve(codeOf(error) ?? error.message))
  socket.once('timeout', () => resolve('no answer in time'))
  socket.once('close', () => resolve('closed'))
  return await promise
}
