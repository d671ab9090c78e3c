import { must } from '@kumiko/testkit'
import { describe, expect, it } from 'vitest'
import { goldenBundle, ordererTls } from '../test/golden.ts'
import { isSameEndpoint, ordererEndpoints } from './endpoint.ts'

const bundle = goldenBundle()
const tlsRoots = [ordererTls.root]

describe("a channel's orderers", () => {
  it("are its organisations', each with the TLS CAs of its MSP", () => {
    expect(ordererEndpoints(bundle)).toEqual([{ address: '127.0.0.1:7050', tlsRoots }])
    // Those of the whole channel do not count then.
    expect(ordererEndpoints({ ...bundle, ordererAddresses: ['x:1'] })).toEqual([{ address: '127.0.0.1:7050', tlsRoots }])
  })

  it("are the channel's where no organisation names any", () => {
    const orderer = must(bundle.orderer)
    const organizations = new Map([...orderer.organizations].map(([name, organization]) => [name, { ...organization, endpoints: [] }]))
    const named = { orderer: { ...orderer, organizations }, ordererAddresses: ['x:1', 'y:2'] }
    expect(ordererEndpoints(named)).toEqual([
      { address: 'x:1', tlsRoots },
      { address: 'y:2', tlsRoots },
    ])
    expect(ordererEndpoints({ ...named, ordererAddresses: [] })).toEqual([])
    expect(ordererEndpoints({ orderer: undefined, ordererAddresses: ['x:1'] })).toEqual([{ address: 'x:1', tlsRoots: [] }])
  })

  it('are reached without TLS, or elsewhere, where that is said', () => {
    expect(ordererEndpoints(bundle, { tls: false })).toEqual([{ address: '127.0.0.1:7050' }])
    const instead = { address: 'elsewhere:9', tlsRoots: [] }
    expect(ordererEndpoints(bundle, { tls: false, overrides: new Map([['127.0.0.1:7050', instead]]) })).toEqual([instead])
  })

  it('are the same where address, name and CAs are', () => {
    const [a] = ordererEndpoints(bundle)
    const [b] = ordererEndpoints(goldenBundle())
    expect(isSameEndpoint(must(a), must(b))).toBe(true)
    expect(isSameEndpoint(must(a), { ...must(b), serverNameOverride: 'x' })).toBe(false)
    expect(isSameEndpoint(must(a), { ...must(b), tlsRoots: [] })).toBe(false)
    expect(isSameEndpoint(must(a), { ...must(b), tlsRoots: [Uint8Array.of(1)] })).toBe(false)
    expect(isSameEndpoint(must(a), { address: must(b).address })).toBe(false)
  })
})
