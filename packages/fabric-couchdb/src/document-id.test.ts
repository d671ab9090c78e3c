import { expect, it } from 'vitest'
import { documentIdOf, keyOfDocument } from './document-id.ts'

it('is base64 of a private key’s hash, as on Fabric’s peers, and the key itself of all else', () => {
  const hash = `fb${'ff'.repeat(30)}01`
  expect(documentIdOf('cc$$hcol', hash)).toBe(`+${'/'.repeat(40)}wE=`)
  expect(keyOfDocument('cc$$hcol', `+${'/'.repeat(40)}wE=`)).toBe(hash)
  for (const [namespace, key] of [
    ['cc', hash],
    ['cc$$pcol', hash],
    ['cc$$hcol', 'a'],
    ['cc$$hcol', hash.toUpperCase()],
  ] as const) {
    expect(documentIdOf(namespace, key)).toBe(key)
    expect(keyOfDocument(namespace, key)).toBe(key)
  }
})
