import { expect, it } from 'vitest'
import { readConnectionFile } from './connection-file.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const read = (fields: object) => readConnectionFile(JSON.stringify(fields))

it('reads where a chaincode serves', () => {
  expect(read({ address: 'host:9999' })).toEqual({ endpoint: { address: 'host:9999' } })
  expect(read({ address: 'host:9999', dial_timeout: '10s', tls_required: false })).toEqual({
    endpoint: { address: 'host:9999' },
    dialTimeoutMs: 10_000,
  })
  expect(read({ address: 'host:9999', dial_timeout: 2_000_000_000, tls_required: true, root_cert: 'root' })).toEqual({
    endpoint: { address: 'host:9999', tlsRoots: [bytes('root')] },
    dialTimeoutMs: 2000,
  })
  const tls = { tls_required: true, client_auth_required: true, client_key: 'key', client_cert: 'certificate', root_cert: 'root' }
  expect(read({ address: 'host:9999', domain: 'other', ...tls })).toEqual({
    endpoint: { address: 'host:9999', tlsRoots: [bytes('root')], serverNameOverride: 'other' },
    clientTls: { certificate: bytes('certificate'), privateKey: bytes('key') },
  })
})

it.each([
  ['{', 'malformed chaincode info'],
  ['[]', 'malformed chaincode info: it is no object'],
  ['null', 'malformed chaincode info: it is no object'],
  ['{}', 'chaincode address not provided'],
  ['{"address":1}', 'malformed chaincode info: address is no text'],
  ['{"address":"a:1","dial_timeout":"soon"}', 'malformed chaincode info: invalid duration'],
  ['{"address":"a:1","dial_timeout":{}}', 'malformed chaincode info: invalid duration'],
  ['{"address":"a:1","tls_required":true}', 'chaincode tls root cert not provided'],
  ['{"address":"a:1","tls_required":true,"client_auth_required":true}', 'chaincode tls key not provided'],
  ['{"address":"a:1","tls_required":true,"client_auth_required":true,"client_key":"k"}', 'chaincode tls cert not provided'],
])('refuses %s', (text, words) => {
  expect(() => readConnectionFile(text)).toThrow(
    expect.objectContaining({ code: 'fabric-chaincode/bad-connection', message: expect.stringContaining(words) }),
  )
})
