import { KumikoError } from '@kumiko/interface'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readConnectionFile } from './connection-file.ts'

const read = (json: unknown) => readConnectionFile(JSON.stringify(json))
const problem = (json: unknown) => {
  try {
    return read(json)
  } catch (error) {
    return error instanceof KumikoError ? error.message : error
  }
}
const bytes = (text: string) => new TextEncoder().encode(text)

describe('connection.json', () => {
  it('says where, and how long to dial', () => {
    expect(read({ address: 'a:1' })).toEqual({ endpoint: { address: 'a:1' } })
    expect(read({ address: 'a:1', dial_timeout: '1m30s', root_cert: 'ignored' })).toMatchObject({ dialTimeoutMs: 90_000 })
    expect(read({ address: 'a:1', dial_timeout: 2_000_000_000 })).toMatchObject({ dialTimeoutMs: 2000 })
  })

  it('says which TLS', () => {
    const tls = { address: 'a:1', domain: 'd', tls_required: true, root_cert: 'r', client_cert: 'c', client_key: 'k' }
    expect(read(tls)).toEqual({ endpoint: { address: 'a:1', tlsRoots: [bytes('r')], serverNameOverride: 'd' } })
    expect(read({ ...tls, client_auth_required: true })).toEqual({
      endpoint: { address: 'a:1', tlsRoots: [bytes('r')], serverNameOverride: 'd' },
      clientTls: { certificate: bytes('c'), privateKey: bytes('k') },
    })
  })

  it('is refused in Fabric’s words', () => {
    expect(problem({})).toBe('chaincode address not provided')
    expect(problem({ address: 'a', dial_timeout: 'soon' })).toBe('malformed chaincode info: invalid duration')
    const tls = { address: 'a', tls_required: true, client_auth_required: true }
    expect(problem(tls)).toBe('chaincode tls key not provided')
    expect(problem({ ...tls, client_key: 'k' })).toBe('chaincode tls cert not provided')
    expect(problem({ ...tls, client_key: 'k', client_cert: 'c' })).toBe('chaincode tls root cert not provided')
    expect(problem({ address: 1 })).toBe('malformed chaincode info: address is no text')
    expect(problem([])).toBe('malformed chaincode info: it is no object')
  })

  it('is read or refused, whatever it is', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
        try {
          readConnectionFile(text)
        } catch (error) {
          expect(error).toMatchObject({ code: 'fabric-chaincode/bad-connection' })
        }
      }),
    )
  })
})
