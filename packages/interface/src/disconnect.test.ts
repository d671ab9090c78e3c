import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { disconnectCode, disconnectReason, disconnectReasons, disconnectSymbol, isDisconnectable } from './disconnect.ts'

interface Vectors {
  readonly disconnectReasons: Readonly<Record<string, string>>
}

const vectors: Vectors = JSON.parse(readFileSync(new URL('../vectors/disconnect-reasons.json', import.meta.url), 'utf8'))

/** The specification's words for each of our names. */
const WORDS = {
  requested: 'Disconnect requested',
  'tcp-error': 'TCP sub-system error',
  'breach-of-protocol': 'Breach of protocol',
  'useless-peer': 'Useless peer',
  'too-many-peers': 'Too many peers',
  'already-connected': 'Already connected',
  'incompatible-version': 'Incompatible P2P protocol version',
  'null-identity': 'Null node identity',
  'client-quitting': 'Client quitting',
  'unexpected-identity': 'Unexpected identity',
  'connected-to-self': 'Connected to self',
  'ping-timeout': 'Ping timeout',
  'subprotocol-error': 'Subprotocol error',
}

describe('disconnect reasons', () => {
  it('have the numbers of the specification', () => {
    const ours = disconnectReasons().map((reason) => [disconnectCode(reason).toString(16).padStart(2, '0'), WORDS[reason]])
    expect(ours).toEqual(Object.entries(vectors.disconnectReasons).toSorted(([a], [b]) => (a < b ? -1 : 1)))
  })

  it('are found by their numbers, and no others', () => {
    const found = Array.from({ length: 300 }, (_, code) => disconnectReason(code)).filter((reason) => reason !== undefined)
    expect(found).toEqual(disconnectReasons())
    for (const code of [-1, 1.5, Number.NaN, 2 ** 32]) expect(disconnectReason(code)).toBeUndefined()
  })
})

describe('isDisconnectable', () => {
  it('looks for the method', () => {
    expect(isDisconnectable({ [disconnectSymbol]: () => {} })).toBe(true)
    expect(isDisconnectable({ [disconnectSymbol]: 'requested' })).toBe(false)
    expect(isDisconnectable({})).toBe(false)
  })
})
