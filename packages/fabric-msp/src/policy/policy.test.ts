import type { SignedData } from '@kumiko/fabric-protocol'
import { describe, expect, it } from 'vitest'
import { anyMsps, signatureOf } from '../../test/identities.ts'
import type { FabricIdentity } from '../contract.ts'
import { evaluateSignedData, rejectPolicy, validIdentities } from './policy.ts'

const message = Uint8Array.of(1, 2, 3)
const signed = (name: string, signature = signatureOf(name, message)): SignedData => ({
  identity: new TextEncoder().encode(name),
  message,
  signature,
})
const names = (identities: readonly FabricIdentity[]) => identities.map(({ id }) => id)

describe('validIdentities', () => {
  it('keeps the order, and leaves out who cannot be read or did not sign', () => {
    const set = [signed('B.peer.b'), signed('nobody'), signed('A.peer.a', Uint8Array.of(0)), signed('A.peer.c')]
    expect(names(validIdentities(set, anyMsps))).toEqual(['B.peer.b', 'A.peer.c'])
  })

  it('looks at no signature of an identity that it has, and at the next one of an identity that it does not have yet', () => {
    const asked: string[] = []
    const counting = {
      deserialize: (serialized: Uint8Array) => {
        const identity = anyMsps.deserialize(serialized)
        if ('fault' in identity) return identity
        return {
          ...identity,
          verify: (of: Uint8Array, signature: Uint8Array) => {
            asked.push(identity.id)
            return identity.verify(of, signature)
          },
        }
      },
    }
    const set = [signed('A.peer.a', Uint8Array.of(0)), signed('A.peer.a'), signed('A.peer.a'), signed('B.peer.a')]
    expect(names(validIdentities(set, counting))).toEqual(['A.peer.a', 'B.peer.a'])
    expect(asked).toEqual(['A.peer.a', 'A.peer.a', 'B.peer.a'])
  })
})

describe('rejectPolicy', () => {
  it('is satisfied by nobody', () => {
    expect(evaluateSignedData(rejectPolicy('/Channel/Nothing'), [signed('A.peer.a')], anyMsps)).toEqual({
      fault: 'fabric-msp/policy-not-satisfied',
      detail: "no such policy: '/Channel/Nothing'",
    })
  })
})
